/**
 * For tests: Firestore's rules for what a request may say, as strict as the service: names, sizes,
 * preconditions, the one shape of query that the engine asks. What it does not use is refused, so that
 * nothing goes by unseen.
 */
export type Value = { readonly stringValue?: string; readonly bytesValue?: Buffer }
export interface Time {
  readonly seconds: string
  readonly nanos: number
}
export interface Document {
  readonly name: string
  readonly fields: Readonly<Record<string, Value>>
  readonly createTime?: Time
  readonly updateTime?: Time
}
export interface Write {
  readonly update?: Document
  readonly delete?: string
  readonly currentDocument?: { readonly exists?: boolean; readonly updateTime?: Time }
}
export interface Query {
  readonly parent: string
  readonly structuredQuery: {
    readonly select?: { readonly fields: readonly { readonly fieldPath: string }[] }
    readonly from: readonly { readonly collectionId: string }[]
    readonly orderBy: readonly {
      readonly field: { readonly fieldPath: string }
      readonly direction: string
    }[]
    readonly startAt: Cursor
    readonly endAt: Cursor
    readonly limit: { readonly value: number }
  }
}
interface Cursor {
  readonly values: readonly { readonly referenceValue: string }[]
  readonly before: boolean
}

/** Of google.rpc.Code. */
export const CODES = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const
export type Code = keyof typeof CODES

/** The service's answer to what it refuses. */
export class Refusal extends Error {
  readonly code: Code

  constructor(code: Code, message: string) {
    super(message)
    this.code = code
  }
}

export function invalid(message: string): Refusal {
  return new Refusal('INVALID_ARGUMENT', message)
}

const ID_BYTES_MAX = 1500
const NAME_BYTES_MAX: number = 6 * 1024
const DOCUMENT_BYTES_MAX: number = 1024 * 1024

/** Refuses members that are not among `known`. */
export function checkMembers(message: object, known: readonly string[]): void {
  for (const name of Object.keys(message))
    if (!known.includes(name)) throw invalid(`unexpected member ${name}`)
}

/** `projects/…/databases/…/documents` and pairs of collection and document behind it. */
export function checkName(name: string, database: string): void {
  const prefix = `${database}/documents/`
  if (!name.startsWith(prefix)) throw invalid(`Document name "${name}" is not in ${database}`)
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) throw invalid('Document name is too long')
  const segments = name.slice(prefix.length).split('/')
  if (segments.length % 2 !== 0) throw invalid(`Document name "${name}" has an odd path`)
  for (const id of segments) checkId(id)
}

function checkId(id: string): void {
  const size = Buffer.byteLength(id)
  if (size === 0 || size > ID_BYTES_MAX) throw invalid(`an id of ${size} bytes`)
  if (id === '.' || id === '..' || /^__.*__$/.test(id)) throw invalid(`the id "${id}" is reserved`)
}

export function checkDocument({ name, fields }: Document, database: string): void {
  checkName(name, database)
  for (const [field, value] of Object.entries(fields)) {
    if (!/^[a-z]\w*$/.test(field)) throw invalid(`field ${field}`)
    checkMembers(value, ['stringValue', 'bytesValue', 'valueType'])
    if (value.stringValue !== undefined && !value.stringValue.isWellFormed())
      throw invalid('a text that is not UTF-8')
  }
  const size = sizeOf({ name, fields })
  if (size > DOCUMENT_BYTES_MAX)
    throw invalid(
      `Document "${name}" cannot be written because its size (${size}) exceeds 1,048,576`,
    )
}

/** As the service counts. */
function sizeOf({ name, fields }: Document): number {
  const path = name.slice(name.indexOf('/documents/') + '/documents/'.length)
  let size = 32 + 16
  for (const id of path.split('/')) size += Buffer.byteLength(id) + 1
  for (const [field, { stringValue, bytesValue }] of Object.entries(fields)) {
    size += field.length + 1 + (bytesValue?.length ?? 0)
    if (stringValue !== undefined) size += Buffer.byteLength(stringValue) + 1
  }
  return size
}

/** Throws where the precondition of a write does not hold of what is there. */
export function checkPrecondition(
  name: string,
  precondition: Write['currentDocument'],
  found: Document | undefined,
): void {
  if (precondition === undefined) return
  checkMembers(precondition, ['exists', 'updateTime', 'conditionType'])
  const { exists, updateTime } = precondition
  if ((exists === undefined) === (updateTime === undefined)) throw invalid('one precondition')
  if (updateTime !== undefined) {
    if (updateTime.nanos % 1000 !== 0) throw invalid('update_time is not in microseconds')
    if (found === undefined) throw new Refusal('NOT_FOUND', `No document to update: ${name}`)
    if (!isSame(found.updateTime!, updateTime))
      throw new Refusal('FAILED_PRECONDITION', 'the stored version does not match the required one')
  }
  if (exists === false && found !== undefined)
    throw new Refusal('ALREADY_EXISTS', `Document already exists: ${name}`)
  if (exists === true && found === undefined)
    throw new Refusal('NOT_FOUND', `No document to update: ${name}`)
}

function isSame(one: Time, other: Time): boolean {
  return one.seconds === other.seconds && one.nanos === other.nanos
}

/** The range of a query: a collection's documents by their names, from one to before another. */
export function rangeOf(
  { parent, structuredQuery }: Query,
  database: string,
): {
  readonly from: string
  readonly to: string
  readonly limit: number
  readonly shown: string[]
} {
  checkMembers(structuredQuery, ['select', 'from', 'orderBy', 'startAt', 'endAt', 'limit'])
  checkName(parent, database)
  const { from, orderBy, startAt, endAt, limit, select } = structuredQuery
  const [order] = orderBy
  if (from.length !== 1 || orderBy.length !== 1 || order?.field.fieldPath !== '__name__')
    throw invalid('one collection, by its names')
  if (order.direction !== 'ASCENDING') throw invalid(`direction ${order.direction}`)
  const end = (cursor: Cursor): string => {
    if (!cursor.before || cursor.values.length !== 1) throw invalid('a cursor')
    const name = cursor.values[0]!.referenceValue
    checkName(name, database)
    if (!name.startsWith(`${parent}/${from[0]!.collectionId}/`)) throw invalid('a cursor elsewhere')
    return name
  }
  if (!(limit.value > 0)) throw invalid('limit')
  const shown = (select?.fields ?? []).map(({ fieldPath }) => fieldPath)
  return { from: end(startAt), to: end(endAt), limit: limit.value, shown }
}

/** Of the fields, those that are asked for; all where none is named. */
export function project(document: Document, shown: readonly string[]): Document {
  if (shown.length === 0) return document
  const fields = Object.entries(document.fields).filter(([name]) => shown.includes(name))
  return { ...document, fields: Object.fromEntries(fields) }
}

export function hasSameFields(one: Document, other: Document): boolean {
  const names = new Set([...Object.keys(one.fields), ...Object.keys(other.fields)])
  return [...names].every((name) => {
    const [a, b] = [one.fields[name], other.fields[name]]
    if (a === undefined || b === undefined || a.stringValue !== b.stringValue) return false
    return a.bytesValue?.toString('hex') === b.bytesValue?.toString('hex')
  })
}
