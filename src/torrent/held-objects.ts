/**
 * GetObject and HeadObject of files that are still downloaded: an S3 in front of another one.
 *
 * A key that is no torrent's costs one look into a map. One that is, and is no object yet, is answered from
 * the torrent, under rules that are those of objects: conditions, ranges, parts. Its ETag names torrent and
 * file (no MD5 is known) and goes on to be honoured when the file has become an object: a client that
 * downloads in ranges with If-Match does not fail in the middle. An object that is damaged is read from the
 * swarm again.
 *
 * Who may read is decided before: `heldFacts` tells authorization that the key is there, the bucket
 * owner's, so that the right to learn that a key is missing is none to read it.
 */
import { type ByteSpan, contentRange, parseRange } from '../api/byte-range.ts'
import { failedCondition, type ReadConditions } from '../api/condition.ts'
import { S3Error } from '../api/error.ts'
import type { Facts } from '../api/facts.ts'
import type { Call, Input, Output, S3Api } from '../api/operations.ts'
import { BlobDamaged, BlobMissing } from '../lib/store-error.ts'
import type { Body } from '../lib/stream.ts'
import type { HeldReads } from './held-reads.ts'
import type { HeldFile } from './held-torrent.ts'
import { Stalled } from './piece-waits.ts'
import type { TorrentSession } from './session.ts'

type GetInput = Input<'GetObject'>
type Common = Pick<
  Output<'GetObject'>,
  | 'AcceptRanges'
  | 'LastModified'
  | 'ContentLength'
  | 'ContentRange'
  | 'ETag'
  | 'ContentType'
  | 'CacheControl'
  | 'ContentDisposition'
  | 'ContentEncoding'
  | 'ContentLanguage'
  | 'Metadata'
>

/** Seconds after which a client may come again where nothing arrives. */
const RETRY_AFTER = '10'
/** What is looked through behind the place where an object breaks off: more than one extent. */
const HEALED_BYTES: number = 32 * 1024 ** 2
const DEFAULT_CONTENT_TYPE = 'binary/octet-stream'

/** The two operations, over those of `api`. */
export function withHeldFiles(
  api: S3Api,
  session: TorrentSession,
  reads: HeldReads,
): Pick<Required<S3Api>, 'GetObject' | 'HeadObject'> {
  const { GetObject: get, HeadObject: head } = api as Required<S3Api>
  return {
    GetObject(input, call) {
      const file = heldFile(session, input)
      if (file === undefined) return get(input, call)
      const fromObject = async (asked: GetInput): Promise<Output<'GetObject'>> => {
        const output = await get(asked, call)
        const { Body: body } = output
        if (body === undefined || body instanceof Uint8Array) return output
        const start = Number(/^bytes (\d+)-/.exec(output.ContentRange ?? '')?.[1] ?? 0)
        return { ...output, Body: healing(session, file, start, body) }
      }
      return answer(session, file, input, fromObject, async () => {
        await checkOwner(api, input, call)
        const plan = planOf(file, input)
        const output: Output<'GetObject'> = plan.output
        output.Body = await bytesOf(reads, file, plan, call)
        return output
      })
    },
    HeadObject(input, call) {
      const file = heldFile(session, input)
      if (file === undefined) return head(input, call)
      const fromObject = (asked: GetInput): Promise<Output<'HeadObject'>> => head(asked, call)
      return answer(session, file, input, fromObject, async () => {
        await checkOwner(api, input, call)
        return planOf(file, input).output
      })
    },
  }
}

/** Facts that know of files that are no objects yet. */
export function heldFacts(facts: Facts, session: TorrentSession): Facts {
  return {
    bucket: (name) => facts.bucket(name),
    policy: (name) => facts.policy(name),
    initiator: (bucket, key, uploadId) => facts.initiator(bucket, key, uploadId),
    async object(bucket, key, versionId) {
      const known = await facts.object(bucket, key, versionId)
      if (known !== undefined || versionId !== undefined) return known
      if (session.find(bucket, key) === undefined) return undefined
      const { owner } = await facts.bucket(bucket)
      return { owner: owner[0], acl: undefined, tags: {} }
    },
  }
}

function heldFile(
  session: TorrentSession,
  { Bucket = '', Key = '', VersionId: versionId }: GetInput,
): HeldFile | undefined {
  return versionId === undefined ? session.find(Bucket, Key) : undefined
}

/** Without its quotes; stays the same until the torrent is removed. */
export function heldETag({ torrent, index }: HeldFile): string {
  return `torrent-${torrent.id}-${index}`
}

/** From the object where there is one, that is whole; else from the torrent. */
async function answer<O extends Common>(
  session: TorrentSession,
  file: HeldFile,
  input: GetInput,
  fromObject: (input: GetInput) => Promise<O>,
  fromTorrent: () => Promise<O>,
): Promise<O> {
  const { torrent, index } = file
  if (torrent.damaged.has(index)) return fromTorrent()
  const kept = torrent.kept.get(index)
  const marked = heldETag(file)
  try {
    if (kept === undefined || input.IfMatch?.replaceAll('"', '') !== marked)
      return await fromObject(input)
    const output = await fromObject({ ...input, IfMatch: kept })
    output.ETag = `"${marked}"`
    return output
  } catch (error) {
    if (kept === undefined && error instanceof S3Error && error.code === 'NoSuchKey')
      return fromTorrent()
    if (!isDamage(error)) throw error
    const { start } = spanOf(file, input)
    await session.repair(torrent, piecesToHeal(file, start))
    if (torrent.damaged.has(index)) return fromTorrent()
    throw error
  }
}

/** Rejects with AccessDenied where the bucket is not whose it is expected to be. */
async function checkOwner(
  { HeadBucket: head }: S3Api,
  { Bucket, ExpectedBucketOwner }: GetInput,
  call: Call,
): Promise<void> {
  if (ExpectedBucketOwner !== undefined) await head!({ Bucket, ExpectedBucketOwner }, call)
}

interface Plan extends ByteSpan {
  readonly output: Common
}

function planOf(file: HeldFile, input: GetInput): Plan {
  const { sizeBytes, torrent } = file
  const validators = { e: heldETag(file), t: torrent.record.addedAt }
  check(input, validators)
  if (input.SSECustomerKey !== undefined)
    throw new S3Error('InvalidRequest', {
      message: 'The encryption parameters are not applicable to this object.',
    })
  const { isPartial, ...span } = spanOf(file, input)
  const output: Common = {
    AcceptRanges: 'bytes',
    LastModified: new Date(validators.t),
    ContentLength: span.end - span.start,
    ETag: `"${validators.e}"`,
    ContentType: input.ResponseContentType ?? DEFAULT_CONTENT_TYPE,
    Metadata: {},
  }
  if (isPartial) output.ContentRange = contentRange(span, sizeBytes)
  if (input.ResponseCacheControl !== undefined) output.CacheControl = input.ResponseCacheControl
  if (input.ResponseContentDisposition !== undefined)
    output.ContentDisposition = input.ResponseContentDisposition
  if (input.ResponseContentEncoding !== undefined)
    output.ContentEncoding = input.ResponseContentEncoding
  if (input.ResponseContentLanguage !== undefined)
    output.ContentLanguage = input.ResponseContentLanguage
  return { ...span, output }
}

function spanOf(
  { sizeBytes }: HeldFile,
  { PartNumber: part, Range: range }: GetInput,
): ByteSpan & { readonly isPartial: boolean } {
  if (part !== undefined && range !== undefined)
    throw new S3Error('InvalidRequest', {
      message: 'Cannot specify both Range header and partNumber query parameter',
    })
  if (part !== undefined && part !== 1) throw new S3Error('InvalidPartNumber')
  const ranged = range === undefined ? undefined : parseRange(range, sizeBytes)
  if (ranged !== undefined) return { ...ranged, isPartial: true }
  return { start: 0, end: sizeBytes, isPartial: part !== undefined && sizeBytes > 0 }
}

function check(
  conditions: ReadConditions,
  validators: { readonly e: string; readonly t: number },
): void {
  const failed = failedCondition(conditions, validators)
  if (failed === undefined) return
  if (failed === 'If-None-Match' || failed === 'If-Modified-Since')
    throw new S3Error('NotModified', {
      headers: {
        etag: `"${validators.e}"`,
        'last-modified': new Date(validators.t).toUTCString(),
      },
    })
  throw new S3Error('PreconditionFailed', { fields: { Condition: failed } })
}

async function bytesOf(
  reads: HeldReads,
  file: HeldFile,
  { start, end }: Plan,
  { signal }: Call,
): Promise<Body | Uint8Array> {
  if (end <= start) return new Uint8Array(0)
  try {
    return await reads.open(file, { start, end }, signal)
  } catch (error) {
    if (!(error instanceof Stalled)) throw error
    // What SDKs take for a reason to come again; a status of its own they would not understand.
    throw new S3Error('SlowDown', {
      message: `The torrent of this object does not come on: ${error.message}. Try again later.`,
      headers: { 'retry-after': RETRY_AFTER },
      cause: error,
    })
  }
}

/** The body of an object that is a torrent's file: where its bytes turn out damaged, they are got from the swarm again. */
async function* healing(
  session: TorrentSession,
  file: HeldFile,
  start: number,
  body: Body,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = start
  try {
    for await (const chunk of body) {
      at += chunk.length
      yield chunk
    }
  } catch (error) {
    // The client comes again with the rest; by then it is known to be damaged.
    if (isDamage(error)) await session.repair(file.torrent, piecesToHeal(file, at))
    throw error
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof BlobDamaged || error instanceof BlobMissing
}

/** Behind the last byte that was good. */
function piecesToHeal({ torrent, index, sizeBytes }: HeldFile, start: number): readonly number[] {
  const { metainfo, progress } = torrent.contents!
  const { offset } = metainfo.info.files[index]!
  const end = Math.min(sizeBytes, start + HEALED_BYTES)
  const span = progress.piecesBetween(offset + start, offset + end)
  return Array.from({ length: span.end - span.first }, (_, i) => span.first + i)
}
