/**
 * UploadPartCopy: a part over the bytes of an object, or of a range of it. No byte moves: blobs are
 * shared (share.ts), inlined bytes go along with the part's row. Only where upload and source are
 * encrypted otherwise, or the source's bytes have several data keys, they are written anew.
 *
 * Bytes are read only where the upload has an algorithm and the source no such checksum of just
 * these bytes. A part that nobody read has an ETag made of its source's and of the range.
 */
import type { ByteRange } from '../../storage/store.ts'
import type { ChecksumAlgorithm } from '../api/checksum.ts'
import { S3Error } from '../api/error.ts'
import { COPY_BYTES_MAX } from '../api/limits.ts'
import type { Call, Handler, Output } from '../api/operations.ts'
import { createDigest, digestOf } from '../lib/digest.ts'
import { watched } from '../lib/watched.ts'
import { addPartChecksum, DEFAULT_ALGORITHM } from './checksum.ts'
import { discardWritten, extentsBetween, readContent, writeContent } from './content.ts'
import type { Context } from './context.ts'
import { customerKey, sourceKey } from './customer-key.ts'
import {
  isWrappedAlike,
  type Opening,
  openingOf,
  type Sealing,
  sealingOfParts,
  showEncryption,
} from './encryption.ts'
import { findCopySource, type FoundSource, parseCopySource } from './copy-source.ts'
import { objectAddress, refuseUnsupported } from './object-input.ts'
import { openBucket } from './open-bucket.ts'
import { checkPartNumber, type PartAddress, putPart } from './part-row.ts'
import type { PartRow, StoredChecksum, Upload } from './rows.ts'
import { borrow, checkStillBorrowed, giveBack } from './share.ts'
import { Contended } from './transact.ts'
import { readUpload } from './upload-row.ts'
import { type Mutable, shownId } from './version.ts'

/** Times that the source may change under us. */
const ATTEMPTS_MAX = 16

export function uploadPartCopy(ctx: Context): Handler<'UploadPartCopy'> {
  return async (input, call) => {
    const { bucket, key } = objectAddress(input)
    refuseUnsupported(input)
    const partNumber = checkPartNumber(input.PartNumber)
    const sourceAddress = parseCopySource(input.CopySource ?? '')
    await openBucket(ctx, input)
    const uploadId = input.UploadId ?? ''
    const upload = await readUpload(ctx, bucket, key, uploadId)
    const customer = customerKey(input)
    const sealing = sealingOfParts(ctx, upload.sse, customer)
    const given = sourceKey(input)
    const target: PartAddress = { bucket, key, uploadId, partNumber }
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const source = await findCopySource(ctx, sourceAddress, input, call)
      const range = copiedRange(input.CopySourceRange, source.row.value.s)
      const from = source.row.value
      const opening = openingOf(ctx, from.sse, given)
      const wanted = upload.sse && { ...upload.sse, ...(customer && { customer }) }
      const isAlike = isWrappedAlike(from.sse, given, wanted) && from.sse?.id === wanted?.id
      const copied: Copied = { target, upload, source, range, call, opening, sealing }
      const part = await (isAlike ? copyPart(ctx, copied) : copyBytes(ctx, copied))
      if (part === undefined) continue
      const output = answer(upload, source, part)
      showEncryption(output, upload.sse, customer?.md5)
      return output
    }
    throw new Contended('the source of the copy changed all the time')
  }
}

/** What is copied where to, in one attempt. */
interface Copied {
  readonly target: PartAddress
  readonly upload: Upload
  readonly source: FoundSource
  readonly range: ByteRange
  readonly call: Call
  /** Of the source. */
  readonly opening: Opening | undefined
  /** Of the upload. */
  readonly sealing: Sealing | undefined
}

/** Shares the source's blobs; undefined where the source is no longer what it was. */
async function copyPart(ctx: Context, copied: Copied): Promise<PartRow | undefined> {
  const { target, upload, source, range } = copied
  const { value: from, bytes } = source.row
  const key = await keyOfRange(ctx, copied)
  if (key === SEVERAL || (upload.sse !== undefined && from.c === undefined))
    return copyBytes(ctx, copied)
  const digests = await digestsOfCopy(ctx, copied)
  const part: Mutable<PartRow> = { t: ctx.clock.now(), s: range.end - range.start, e: digests.etag }
  if (digests.checksum !== undefined) part.k = digests.checksum
  if (key !== undefined) part.key = key
  if (part.s === 0 || from.c === undefined) {
    await putPart(ctx, target, part, bytes?.subarray(range.start, range.end))
    return part
  }
  const borrowed = await borrow(ctx, source, range)
  if (borrowed === undefined) return undefined
  part.x = borrowed.extents!
  try {
    await putPart(ctx, target, part, undefined, () => checkStillBorrowed(ctx, borrowed))
  } catch (error) {
    await giveBack(ctx, target.bucket, borrowed, error)
    throw error
  }
  return part
}

const SEVERAL = Symbol('several data keys')

/** The data key that the bytes of the range are under; undefined where they are in clear. */
async function keyOfRange(
  ctx: Context,
  { source, range }: Copied,
): Promise<string | typeof SEVERAL | undefined> {
  const { c, sse } = source.row.value
  if (sse === undefined || c?.n === undefined) return sse?.key
  const keys = new Map<string, string>()
  const extents = await extentsBetween(ctx, source.bucket, c, range, keys)
  const found = new Set(extents.map(([blob]) => keys.get(blob) ?? sse.key))
  return found.size > 1 ? SEVERAL : ([...found][0] ?? sse.key)
}

/** Writes the bytes anew, as the upload is encrypted. */
async function copyBytes(ctx: Context, copied: Copied): Promise<PartRow> {
  const { target, upload, source, range, call, opening, sealing } = copied
  const { value: from, bytes } = source.row
  const algorithm = upload.k?.[0] ?? DEFAULT_ALGORITHM
  const checksum = createDigest(algorithm)
  const md5 = createDigest('md5')
  const body = await readContent(ctx, source.bucket, from.c, bytes, range, call, opening)
  const size = range.end - range.start
  const look = (chunk: Uint8Array): void => {
    checksum.update(chunk)
    md5.update(chunk)
  }
  if (body instanceof Uint8Array) look(body)
  const taken = body instanceof Uint8Array ? body : watched(body, look)
  const written = await writeContent(ctx, taken, call, size, sealing)
  const part: Mutable<PartRow> = {
    t: ctx.clock.now(),
    s: size,
    e: md5.value(),
    k: [algorithm, checksum.value(), 'FULL_OBJECT'],
  }
  if (written.extents !== undefined) part.x = written.extents
  if (sealing !== undefined) {
    part.key = sealing.stored.key
    part.e = sealing.etag(part.e)
  }
  try {
    await putPart(ctx, target, part, written.bytes)
  } catch (error) {
    await discardWritten(ctx, written, error)
    throw error
  }
  return part
}

interface CopyDigests {
  /** 32 hex digits, as of any part. */
  readonly etag: string
  readonly checksum?: StoredChecksum
}

const MD5 = /^[0-9a-f]{32}$/

async function digestsOfCopy(ctx: Context, copied: Copied): Promise<CopyDigests> {
  const { upload, source, range } = copied
  const { value: from } = source.row
  const algorithm = upload.k?.[0] ?? DEFAULT_ALGORITHM
  const isWhole = range.start === 0 && range.end === from.s
  const kept = from.k?.[0] === algorithm && from.k[2] === 'FULL_OBJECT' ? from.k : undefined
  const isKnown = isWhole && kept !== undefined
  if (from.c === undefined || (upload.k !== undefined && !isKnown))
    return readDigests(ctx, copied, algorithm)
  const etag =
    isWhole && MD5.test(from.e)
      ? from.e
      : digestOf('md5', Buffer.from(`${from.e} ${range.start}-${range.end}`))
  return isKnown ? { etag, checksum: kept } : { etag }
}

async function readDigests(
  ctx: Context,
  { source: { bucket, row }, range, call, opening, sealing }: Copied,
  algorithm: ChecksumAlgorithm,
): Promise<CopyDigests> {
  const md5 = createDigest('md5')
  const checksum = createDigest(algorithm)
  const body = await readContent(ctx, bucket, row.value.c, row.bytes, range, call, opening)
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    md5.update(chunk)
    checksum.update(chunk)
  }
  const etag = sealing === undefined ? md5.value() : sealing.etag(md5.value())
  return { etag, checksum: [algorithm, checksum.value(), 'FULL_OBJECT'] }
}

const RANGE = /^bytes=(\d+)-(\d+)$/

/**
 * The bytes meant by `x-amz-copy-source-range`, which has one form only; without it, all. Rejects
 * another form with InvalidArgument, one past the source's end with InvalidRange, and what is larger than
 * one copy may be with InvalidRequest.
 */
function copiedRange(header: string | undefined, size: number): ByteRange {
  const match = header === undefined ? undefined : RANGE.exec(header)
  const [start, end] = match ? [Number(match[1]), Number(match[2]) + 1] : [0, size]
  if (match === null || start > end || (match && start === end))
    throw new S3Error('InvalidArgument', {
      message:
        'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      fields: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header ?? '' },
    })
  if (end > size)
    throw new S3Error('InvalidRange', {
      message: `Range specified is not valid for source object of size: ${size}`,
      fields: { RangeRequested: header ?? '', ActualObjectSize: String(size) },
    })
  if (end - start > COPY_BYTES_MAX)
    throw new S3Error('InvalidRequest', {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${COPY_BYTES_MAX}`,
    })
  return { start, end }
}

function answer(upload: Upload, source: FoundSource, part: PartRow): Output<'UploadPartCopy'> {
  const result: NonNullable<Output<'UploadPartCopy'>['CopyPartResult']> = {
    ETag: `"${part.e}"`,
    LastModified: new Date(part.t),
  }
  if (upload.k !== undefined && part.k !== undefined) addPartChecksum(result, part.k[0], part.k[1])
  const output: Output<'UploadPartCopy'> = { CopyPartResult: result }
  const sourceId = shownId(source.bucketRow, source.row.value)
  if (sourceId !== undefined) output.CopySourceVersionId = sourceId
  return output
}
