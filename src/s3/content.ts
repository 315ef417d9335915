/**
 * The bytes of objects and parts: written once, found again by extents, read as one stream.
 *
 * Small content stands in the row itself (`Row.bytes`); anything longer is one new blob, durable
 * before the row that names it is committed. Where the commit does not happen, `discardWritten`
 * takes the blob away at once; what a crash leaves behind is the sweep's.
 */
import type { Blobs, ByteRange } from '../../storage/store.ts'
import { S3Error } from '../api/error.ts'
import type { Call } from '../api/operations.ts'
import type { Taken } from '../api/payload.ts'
import type { Body } from '../lib/stream.ts'
import type { Context } from './context.ts'
import type { Opening, Sealing } from './encryption.ts'
import { ExtentsBody } from './extents-body.ts'
import { mergeExtents, sliceExtents } from './extents.ts'
import { layOut } from './manifest.ts'
import { type Content, type Extent, type PageRef, readRow, type StoredPart } from './rows.ts'
import { OutcomeUnknown, type Tx } from './transact.ts'

/** What is now stored and waits for its row: `bytes` for the row itself, or `extents`; neither where it is empty. */
export interface Written {
  readonly size: number
  readonly bytes?: Uint8Array
  readonly extents?: readonly Extent[]
}

/** A part with its place in the object's bytes. */
export interface PlacedPart extends ByteRange {
  readonly part: StoredPart
}

/**
 * Stores what was taken of a payload. The call's signal is made when first asked for, so it is not
 * asked for bytes that stand in the row. Rejects with EntityTooLarge over `putBytesMax`, with the
 * payload's own errors, and with the store's; nothing is then left. With `sealing` it is encrypted.
 */
export async function writeContent(
  ctx: Context,
  taken: Taken,
  call: Pick<Call, 'signal'>,
  size?: number,
  sealing?: Sealing,
): Promise<Written> {
  if (taken instanceof Uint8Array && taken.length <= inlineMax(ctx, sealing)) {
    if (taken.length === 0) return { size: 0 }
    return { size: taken.length, bytes: sealing === undefined ? taken : sealing.inlined(taken) }
  }
  const id = ctx.ids.next()
  const body =
    size === undefined && !(taken instanceof Uint8Array)
      ? limited(taken, ctx.options.putBytesMax)
      : taken
  const { signal } = call
  const options = size === undefined ? { signal } : { signal, size }
  const blobs = sealing === undefined ? ctx.storage : sealing.blobs
  const info = await blobs.put(id, body, options)
  return { size: info.size, extents: [[id, 0, info.size]] }
}

/** Bodies up to this many bytes may stand in the row. */
export function inlineMax(ctx: Context, sealing: Sealing | undefined): number {
  return sealing === undefined ? ctx.options.inlineMaxBytes : sealing.inlineMaxBytes
}

/** Refuses a size that the client announces, before anything is read. */
export function checkPutSize(ctx: Context, size: number | undefined): void {
  if (size !== undefined && size > ctx.options.putBytesMax) {
    throw tooLarge(size, ctx.options.putBytesMax)
  }
}

async function* limited(body: Body, max: number): Body {
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > max) throw tooLarge(size, max)
    yield chunk
  }
}

function tooLarge(size: number, max: number): S3Error {
  return new S3Error('EntityTooLarge', {
    fields: { ProposedSize: String(size), MaxSizeAllowed: String(max) },
  })
}

/**
 * Takes back what was written, after `error` kept its row from being committed. Where the outcome is
 * not known the blob stays: the sweep will see whether a row names it. Never rejects.
 */
export async function discardWritten(
  ctx: Context,
  written: Written,
  error: unknown,
): Promise<void> {
  if (written.extents === undefined || error instanceof OutcomeUnknown) return
  try {
    await ctx.storage.delete(written.extents.map((extent) => extent[0]))
  } catch {
    // The sweep finds it: no row names it. The error that led here is the one to be told.
  }
}

/** Parts as a version's content: in the row while few, else in page rows that this transaction writes. */
export function partsContent(ctx: Context, tx: Tx, parts: readonly StoredPart[]): Content {
  const { content, pages } = layOut(ctx.ids.next(), parts)
  for (const page of pages) tx.put('page', page.sort, { p: page.parts })
  return content
}

/**
 * The parts of an object that was uploaded in parts, in order: all of them (empty ones too), or those
 * whose end lies behind byte `from`. Pages are read as they are reached.
 */
export async function* placedParts(
  ctx: Context,
  bucket: string,
  content: Content,
  from = 0,
): AsyncGenerator<PlacedPart, void, undefined> {
  if (content.g === undefined) {
    yield* place(content.p ?? [], 0, from)
    return
  }
  for (let index = lastAtMost(content.g, 2, from); index < content.g.length; index++) {
    const [sort, , firstByte] = content.g[index]!
    yield* place(await readPage(ctx, bucket, sort), firstByte, from)
  }
}

function* place(
  parts: readonly StoredPart[],
  firstByte: number,
  from: number,
): Generator<PlacedPart> {
  let start = firstByte
  for (const part of parts) {
    const end = start + part[1]
    if (end > from || from === 0) yield { part, start, end }
    start = end
  }
}

/** Index of the last page whose member `member` is at most `value`; 0 where none is. */
function lastAtMost(pages: readonly PageRef[], member: 1 | 2, value: number): number {
  let low = 0
  let high = pages.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (pages[middle]![member] <= value) low = middle
    else high = middle - 1
  }
  return low
}

/** The parts of one page. A page that is missing while a version names it means that the version has just gone. */
export async function readPage(
  ctx: Context,
  bucket: string,
  sort: string,
): Promise<readonly StoredPart[]> {
  const row = await readRow(ctx.metadata, bucket, 'page', sort)
  if (row === undefined) throw new PageMissing(`page ${sort} of bucket ${bucket}`)
  return row.value.p
}

/** Like BlobMissing: the version went away while it was read, or data is lost. */
export class PageMissing extends Error {
  override readonly name: string = 'PageMissing'
}

/** The part of that number with its place; undefined where the object has none such. An object put whole is its own part 1. */
export async function findPart(
  ctx: Context,
  bucket: string,
  content: Content,
  partNumber: number,
): Promise<PlacedPart | undefined> {
  const { g } = content
  const page = g?.[lastAtMost(g, 1, partNumber)]
  const parts = page === undefined ? (content.p ?? []) : await readPage(ctx, bucket, page[0])
  let start = page?.[2] ?? 0
  for (const part of parts) {
    if (part[0] === partNumber) return { part, start, end: start + part[1] }
    start += part[1]
  }
  return undefined
}

/** The parts with a number above `marker`, in order. */
export async function* partsBehind(
  ctx: Context,
  bucket: string,
  content: Content,
  marker: number,
): AsyncGenerator<StoredPart, void, undefined> {
  const { g } = content
  const from = g?.[lastAtMost(g, 1, marker)]?.[2] ?? 0
  for await (const { part } of placedParts(ctx, bucket, content, from)) {
    if (part[0] > marker) yield part
  }
}

/** All extents of a content, in order, with the page reads that takes. */
export async function* extentsOf(
  ctx: Context,
  bucket: string,
  content: Content | undefined,
): AsyncGenerator<Extent, void, undefined> {
  if (content === undefined) return
  if (content.x !== undefined) yield* content.x
  else for await (const { part } of placedParts(ctx, bucket, content)) yield* part[3]
}

/** The extents of bytes `start` to `end` of a content. `keys` learns which blobs have a data key of their own. */
export async function extentsBetween(
  ctx: Context,
  bucket: string,
  content: Content,
  range: ByteRange,
  keys?: Map<string, string>,
): Promise<readonly Extent[]> {
  if (content.x !== undefined) return sliceExtents(content.x, range.start, range.end)
  const extents: Extent[] = []
  for await (const { part, start, end } of placedParts(ctx, bucket, content, range.start)) {
    if (start >= range.end) break
    const slice = sliceExtents(part[3], range.start - start, Math.min(range.end, end) - start)
    for (const extent of slice) extents.push(extent)
    if (keys !== undefined && part[4] !== undefined)
      for (const [blob] of slice) keys.set(blob, part[4])
  }
  return mergeExtents(extents)
}

/**
 * Opens bytes `start` to `end` of a row's content; the first are at hand when this resolves.
 * Rejects with BlobMissing or PageMissing where the version has gone since the row was read. What is
 * encrypted is read with its `opening`.
 */
export function readContent(
  ctx: Context,
  bucket: string,
  content: Content | undefined,
  bytes: Uint8Array | undefined,
  range: ByteRange,
  call: Pick<Call, 'signal'>,
  opening?: Opening,
): Promise<Body> | Uint8Array {
  if (range.end <= range.start) return EMPTY
  if (content === undefined)
    return inlined(bytes !== undefined && opening ? opening.inlined(bytes) : bytes, range)
  const only = content.x?.length === 1 ? content.x[0]! : undefined
  if (only === undefined) return openExtents(ctx, bucket, content, range, call.signal, opening)
  const [blob, from] = only
  const blobs = opening === undefined ? ctx.storage : opening.blobs()
  return blobs.get(blob, { start: from + range.start, end: from + range.end }, call.signal)
}

const EMPTY = new Uint8Array(0)

function inlined(bytes: Uint8Array | undefined, range: ByteRange): Uint8Array {
  if (bytes === undefined || bytes.length < range.end) throw new PageMissing('inlined bytes')
  return range.start === 0 && range.end === bytes.length
    ? bytes
    : bytes.subarray(range.start, range.end)
}

async function openExtents(
  ctx: Context,
  bucket: string,
  content: Content,
  range: ByteRange,
  signal: AbortSignal,
  opening: Opening | undefined,
): Promise<Body> {
  const keys = opening && new Map<string, string>()
  const extents = await extentsBetween(ctx, bucket, content, range, keys)
  const own = opening?.blobs()
  const blobsOf = (blob: string): Blobs => {
    const key = keys?.get(blob)
    return key === undefined ? (own ?? ctx.storage) : opening!.blobs(key)
  }
  const body = new ExtentsBody(ctx.reading, blobsOf, extents, signal)
  await body.openFirst()
  return body
}
