/**
 * A commit as a log entry: when it was, and what it wrote. Expectations are left out: they held.
 *
 *     u32 length of the text · JSON text · bytes beside the rows, one after another
 *     {"at":1763640000000,"partition":"photos","writes":[{"table":"object","sort":"cat.jpg","value":{…},"bytes":4096},…]}
 *
 * `value` null: the row is removed. The rev of the i-th write (from 0 on) of entry n is 64 n + i + 1: it
 * needs no room, and is never given again, for an index of the log is not.
 */
import { StoreDamaged } from '../src/lib/store-error.ts'
import type { EncodedWrite } from './group.ts'
import { COMMIT_WRITES_MAX, type Json, type Table, type Write } from './store.ts'

const REVS_PER_ENTRY = 64
if (COMMIT_WRITES_MAX >= REVS_PER_ENTRY) throw new Error('A commit has more writes than revs')

/** What an entry says. */
export interface LoggedCommit {
  /** Epoch milliseconds, by the clock of the gateway that wrote it. */
  readonly at: number
  readonly partition: string
  readonly writes: readonly Write[]
}

export function revAt(index: number, i: number): number {
  return index * REVS_PER_ENTRY + i + 1
}

/** The entry in which the rev was given. */
export function indexOfRev(rev: number): number {
  return Math.floor((rev - 1) / REVS_PER_ENTRY)
}

export function encodeEntry(
  at: number,
  partition: string,
  writes: readonly EncodedWrite[],
): Uint8Array {
  let text = `{"at":${at},"partition":${JSON.stringify(partition)},"writes":[`
  let besideBytes = 0
  for (let i = 0; i < writes.length; i++) {
    const { table, sort, json, bytes } = writes[i]!
    if (i > 0) text += ','
    text += `{"table":"${table}","sort":${JSON.stringify(sort)},"value":${json ?? 'null'}`
    if (bytes !== undefined) {
      text += `,"bytes":${bytes.length}`
      besideBytes += bytes.length
    }
    text += '}'
  }
  text += ']}'
  const textBytes = Buffer.byteLength(text)
  const entry = Buffer.allocUnsafe(4 + textBytes + besideBytes)
  entry.writeUInt32LE(textBytes, 0)
  let end = 4 + entry.write(text, 4)
  for (const { bytes } of writes) {
    if (bytes === undefined) continue
    entry.set(bytes, end)
    end += bytes.length
  }
  return entry
}

interface EntryWrite {
  readonly table: Table
  readonly sort: string
  readonly value: Json
  readonly bytes?: number
}

interface EntryText {
  readonly at: number
  readonly partition: string
  readonly writes: readonly EntryWrite[]
}

/** Bytes of rows are views into the payload. `StoreDamaged` where it is no commit. */
export function decodeEntry(index: number, payload: Uint8Array): LoggedCommit {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length)
  try {
    let end = 4 + bytes.readUInt32LE(0)
    const text = bytes.toString('utf8', 4, end)
    const { at, partition, writes } = JSON.parse(text) as EntryText
    const decoded = writes.map(({ table, sort, value, bytes }): Write => {
      if (bytes === undefined) return { table, sort, value }
      const beside = payload.subarray(end, (end += bytes))
      if (beside.length !== bytes) throw new RangeError('bytes are missing')
      return { table, sort, value, bytes: beside }
    })
    return { at, partition, writes: decoded }
  } catch (cause) {
    throw new StoreDamaged(`Entry ${index} of the log is no commit of metadata`, { cause })
  }
}
