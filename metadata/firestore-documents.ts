/**
 * Rows as documents of Firestore: `collection/<table and partition>/collection/<sort key>`, so that one
 * name says all that is ours, and one exemption keeps it out of the indexes.
 *
 * Fields: `r` names the commit, `v` is the value as JSON text, `b` the bytes beside it. The rev is the
 * document's update time, which Firestore itself compares in a precondition.
 */
import type { protos } from '@google-cloud/firestore-api'
import { StoreFull } from '../src/lib/store-error.ts'
import { utf8Length } from '../src/lib/utf8.ts'
import { decodeOrdered, encodeOrdered } from './ordered-text.ts'
import type { Json, Range, Rev, Row, Table, Write } from './store.ts'

export type Document = protos.google.firestore.v1.IDocument
export type Precondition = protos.google.firestore.v1.IPrecondition
export type StructuredQuery = protos.google.firestore.v1.IStructuredQuery

/** A document's size, its name, its fields' names and values: 1 MiB. */
const DOCUMENT_BYTES_MAX: number = 1024 * 1024

/** Where the rows of one collection stand. */
export class Places {
  readonly #documents: string
  readonly #collection: string

  constructor(database: string, collection: string) {
    this.#documents = `${database}/documents`
    this.#collection = collection
  }

  /** Of a document that is no row. */
  get probe(): string {
    return `${this.#documents}/${this.#collection}/probe`
  }

  row(partition: string, table: Table, sort: string): string {
    return `${this.#parent(partition, table)}/${this.#collection}/${idOf(sort)}`
  }

  /** Documents of the range in their order, without the bytes. */
  query(
    partition: string,
    table: Table,
    { from, to, limit }: Omit<Range, 'fold'>,
  ): { readonly parent: string; readonly structuredQuery: StructuredQuery } {
    const parent = this.#parent(partition, table)
    const at = (id: string) => ({
      values: [{ referenceValue: `${parent}/${this.#collection}/${id}` }],
      before: true,
    })
    return {
      parent,
      structuredQuery: {
        from: [{ collectionId: this.#collection }],
        select: { fields: [{ fieldPath: 'v' }] },
        orderBy: [{ field: { fieldPath: '__name__' }, direction: 'ASCENDING' }],
        startAt: at(idOf(from)),
        endAt: at(to === undefined ? BEHIND_ALL : idOf(to)),
        limit: { value: limit },
      },
    }
  }

  /** An id is no more than 1500 bytes and has no slash; names of buckets stand as they are. */
  #parent(partition: string, table: Table): string {
    const shown = PLAIN.test(partition) ? `:${partition}` : `=${encodeOrdered(partition)}`
    return `${this.#documents}/${this.#collection}/${table}${shown}`
  }
}

const PLAIN = /^[a-z0-9.-]*$/

/** The empty key has an id too, and none is like those that Firestore keeps for itself. */
const LEAD = 'k'
const BEHIND_ALL = 'l'

function idOf(sort: string): string {
  return LEAD + encodeOrdered(sort)
}

/** Of a write that is no removal. Rejects with `StoreFull` what Firestore has no room for in one document. */
export function documentOf(name: string, { value, bytes }: Write, commitId: string): Document {
  const v = JSON.stringify(value)
  const size = nameSize(name) + FIXED_BYTES + commitId.length + utf8Length(v) + (bytes?.length ?? 0)
  if (size > DOCUMENT_BYTES_MAX)
    throw new StoreFull(
      `A row of ${size} bytes: Firestore takes ${DOCUMENT_BYTES_MAX} in one document`,
    )
  return {
    name,
    fields: {
      r: { stringValue: commitId },
      v: { stringValue: v },
      ...(bytes && { b: { bytesValue: bytes } }),
    },
  }
}

/** Of the document, of the names of three fields, and of what ends two texts. */
const FIXED_BYTES: number = 32 + 3 * 2 + 2

/** As Firestore counts: the bytes of each part of the path behind the database, one more for each, and 16. */
function nameSize(name: string): number {
  return utf8Length(name.slice(name.indexOf('/documents/') + '/documents/'.length)) + 1 + 16
}

export function rowOf(document: Document): Row {
  const { name, fields, updateTime } = document
  const v = fields?.['v']?.stringValue
  if (!name || !updateTime || v === undefined || v === null)
    throw new Error('A document of the collection is not a row of ours')
  const sort = decodeOrdered(name.slice(name.lastIndexOf('/') + 1 + LEAD.length))
  const row = { sort, rev: revOf(updateTime), value: JSON.parse(v) as Json }
  const bytes = fields?.['b']?.bytesValue
  return bytes ? { ...row, bytes: bytes as Uint8Array } : row
}

type Time = NonNullable<Document['updateTime']>

/** `1795194288.400343000` */
export function revOf({ seconds, nanos }: Time): string {
  return `${String(seconds)}.${String(nanos ?? 0).padStart(9, '0')}`
}

const REV = /^(\d{1,12})\.(\d{9})$/

/** Undefined: nothing is asked. None where no document can be at that rev. */
export function preconditionOf(rev: Rev | undefined): Precondition | undefined | 'never' {
  if (rev === undefined) return undefined
  if (rev === 0) return { exists: false }
  const parts = REV.exec(String(rev))
  if (parts === null) return 'never'
  return { updateTime: { seconds: Number(parts[1]), nanos: Number(parts[2]) } }
}
