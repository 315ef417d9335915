/** A query over the records of an object: the text of its results, in pieces. */
import { setImmediate as turn } from 'node:timers/promises'
import { Aggregates } from './aggregate.ts'
import { compile, type Scope } from './compile.ts'
import { type InputFormat, RECORD_CHARS_MAX, recordsOf } from './input.ts'
import { type OutputFormat, type Row, writerOf } from './output.ts'
import type { Query } from './query.ts'
import { SelectError } from './select-error.ts'
import { type SelectRecord, truthOf, type Value } from './value.ts'

/** Results are given out in pieces of about so many characters. */
const PIECE_CHARS = 64 * 1024

export interface Run {
  readonly query: Query
  readonly input: InputFormat
  readonly output: OutputFormat
  /** Of the object, or of a part of it. */
  readonly text: AsyncIterable<string>
  /** The first record of the object, where the text begins behind it. */
  readonly header: string | undefined
  /** Epoch milliseconds. */
  readonly now: number
}

const NONE: readonly Value[] = []

/** Throws SelectError. A piece that is empty tells that it goes on. Leaves other work its turn after each batch of records. */
export async function* run({
  query,
  input,
  output,
  text,
  header,
  now,
}: Run): AsyncGenerator<string, void, undefined> {
  const where = query.where && compile(query.where)
  const aggregates = query.aggregates.length > 0 ? new Aggregates(query.aggregates) : undefined
  const rowOf = rowMaker(query)
  const write = writerOf(output)
  let left = aggregates === undefined ? (query.limit ?? Infinity) : Infinity
  let piece = ''
  if (left > 0) {
    for await (const batch of recordsOf(input, query.from, text, header)) {
      for (const record of batch) {
        const scope: Scope = { record, aggregates: NONE, now }
        if (where !== undefined && truthOf(where(scope)) !== true) continue
        if (aggregates !== undefined) {
          aggregates.add(scope)
          continue
        }
        piece += bounded(write(rowOf(scope, record)))
        if (--left === 0) break
        if (piece.length < PIECE_CHARS) continue
        yield piece
        piece = ''
      }
      if (left === 0) break
      yield ''
      await turn()
    }
  }
  if (aggregates !== undefined && query.limit !== 0) {
    const scope = { record: NOTHING, aggregates: aggregates.results(), now }
    piece += write(rowOf(scope, NOTHING))
  }
  if (piece !== '') yield piece
}

function bounded(row: string): string {
  if (row.length > RECORD_CHARS_MAX) throw new SelectError('OverMaxRecordSize')
  return row
}

/** The record that an aggregate's result is of. */
const NOTHING: SelectRecord = { named: () => undefined, all: () => [] }

function rowMaker({ columns }: Query): (scope: Scope, record: SelectRecord) => Row {
  if (columns === undefined) return (_scope, record) => record.all()
  const made = columns.map(({ name, value }) => [name, compile(value)] as const)
  return (scope) => made.map(([name, evaluate]) => [name, evaluate(scope)] as const)
}
