/**
 * Lines of the engine `jsonl`: each is one JSON object whose last member is the CRC-32 of everything
 * before it, so that any tool reads them and a torn or flipped one is told from a whole one.
 *
 *     {"partition":"photos","writes":[{"table":"object","sort":"cat.jpg","rev":7,"value":{…},"bytes":"…"}],"after":4096,"crc":"1c291ca3"}
 *
 * `value` null: the row was removed. `bytes` is base64. `after`: how many bytes of this file were on
 * stable storage when the line was about to be written, which tells a torn end from damage.
 */
import { open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { KeptRow, PlacedRow } from './row-map.ts'
import type { Json, Table } from './store.ts'

/** What the last member begins with; 8 digits follow, and `"}`. */
const SEAL = ',"crc":"'
const SEAL_LENGTH = 18
const NEWLINE = 10
const READ_BYTES: number = 1024 * 1024

/** A write as it stands in a line. */
export interface LineWrite {
  readonly table: Table
  readonly sort: string
  /** Absent where the row is removed. */
  readonly rev?: number
  readonly value: Json
  readonly bytes?: string
}

/** A line, read. Which members it has says what it is: a commit, a header or a trailer. */
export interface Line {
  readonly partition?: string
  readonly writes?: readonly LineWrite[]
  readonly after?: number
  /** Of a header. */
  readonly format?: string
  readonly version?: number
  /** Of the trailer of a snapshot: how many rows it has, and the highest rev ever given. */
  readonly rows?: number
  readonly rev?: number
}

/** The text of a JSON object, made a line: sealed, with its line feed. */
export function sealed(object: string): Buffer {
  const line = Buffer.from(`${object.slice(0, -1)}${SEAL}00000000"}\n`)
  const end = line.length - SEAL_LENGTH - 1
  line.write(sealOf(line.subarray(0, end)), end, 'latin1')
  return line
}

/** The object of a line (without its line feed); undefined where it is not as it was written. */
export function unsealed(line: Buffer): Line | undefined {
  const end = line.length - SEAL_LENGTH
  if (end < 1 || line.toString('latin1', end) !== sealOf(line.subarray(0, end))) return undefined
  return JSON.parse(line.toString()) as Line
}

function sealOf(body: Uint8Array): string {
  return `${SEAL}${crc32(body).toString(16).padStart(8, '0')}"}`
}

/** Whether text that is no line is two whole ones: the line feed between them is not what it was. */
export function isTwoLines(text: Buffer): boolean {
  for (let at = text.indexOf(SEAL); at >= 0; at = text.indexOf(SEAL, at + 1)) {
    const end = at + SEAL_LENGTH
    if (unsealed(text.subarray(0, end)) && unsealed(text.subarray(end + 1))) return true
  }
  return false
}

/** A write as JSON text; `json` undefined: a removal. */
export function writeText(
  table: Table,
  sort: string,
  rev: number,
  json: string | undefined,
  bytes: Uint8Array | undefined,
): string {
  const place = `{"table":"${table}","sort":${JSON.stringify(sort)}`
  if (json === undefined) return `${place},"value":null}`
  const beside = bytes === undefined ? '' : `,"bytes":"${base64(bytes)}"`
  return `${place},"rev":${rev},"value":${json}${beside}}`
}

/** A row as a line of a snapshot. */
export function rowLine({ partition, table, row }: PlacedRow): Buffer {
  const write = writeText(table, row.sort, row.rev, JSON.stringify(row.value), row.bytes)
  return sealed(`{"partition":${JSON.stringify(partition)},"writes":[${write}]}`)
}

/** The row that a write of a line says; undefined where it is removed. */
export function rowOf({ sort, rev, value, bytes }: LineWrite): KeptRow | undefined {
  if (rev === undefined) return undefined
  if (bytes === undefined) return { sort, rev, value }
  return { sort, rev, value, bytes: fromBase64(bytes) }
}

/** In memory of its own, for it stays. */
function fromBase64(text: string): Uint8Array {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = Buffer.allocUnsafeSlow((text.length / 4) * 3 - padding)
  bytes.write(text, 'base64')
  return new Uint8Array(bytes.buffer)
}

/** Where a line begins, its number from 1 on, and whether it has its line feed. */
export interface LinePlace {
  readonly start: number
  readonly number: number
  readonly isWhole: boolean
}

/** Gives each line of the file, one after another, to `take`; resolves to the file's size. `take` may throw. */
export async function eachLine(
  file: string,
  take: (line: Buffer, place: LinePlace) => void,
): Promise<number> {
  await using handle = await open(file, 'r')
  let rest = Buffer.alloc(0)
  let start = 0
  let number = 1
  for (;;) {
    const chunk = Buffer.allocUnsafe(READ_BYTES)
    const { bytesRead } = await handle.read(chunk, 0, READ_BYTES)
    if (bytesRead === 0) break
    const fresh = chunk.subarray(0, bytesRead)
    // Of a line longer than a chunk only the fresh bytes are searched.
    let end = fresh.indexOf(NEWLINE)
    if (end >= 0) end += rest.length
    const bytes = rest.length === 0 ? fresh : Buffer.concat([rest, fresh])
    let at = 0
    while (end >= 0) {
      take(bytes.subarray(at, end), { start: start + at, number: number++, isWhole: true })
      at = end + 1
      end = bytes.indexOf(NEWLINE, at)
    }
    rest = bytes.subarray(at)
    start += at
  }
  if (rest.length > 0) take(rest, { start, number, isWhole: false })
  return start + rest.length
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}
