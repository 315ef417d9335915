/**
 * An ordinary object of runs of chunks: an upload whose parts are copied ranges. No byte passes through
 * us, but where parts have a least size: what is too short for a part then goes together with its
 * neighbours, read and sent again.
 */
import { COPY_BYTES_MAX, PART_NUMBER_MAX } from '../../api/limits.ts'
import type { Call } from '../../api/operations.ts'
import { DiskError } from '../disk-io.ts'
import { ChunkPayload } from './chunk-payload.ts'
import type { ObjectWords, Run } from './chunk-store.ts'
import { bytesOf, copySourceOf, type TorrentS3 } from './torrent-s3.ts'

const AT_ONCE = 8

/** One part: a range that is copied, or ranges that are read and sent. */
type Part = readonly Run[]

export interface AssemblyPlace {
  readonly api: TorrentS3
  readonly call: Call
  readonly bucket: string
}

/** Its ETag, with quotes. */
export async function assembleObject(
  place: AssemblyPlace,
  key: string,
  runs: readonly Run[],
  words: ObjectWords,
  partBytesMin: number,
): Promise<string> {
  const parts = partsOf(runs, partBytesMin)
  if (parts.length === 0) {
    const Body = new ChunkPayload(key, [])
    const input = { Bucket: place.bucket, Key: key, Body, ...headersOf(words) }
    return (await place.api.PutObject(input, place.call)).ETag ?? ''
  }
  if (parts.length <= PART_NUMBER_MAX) return upload(place, key, parts, words)
  return assembleByLevels(place, key, parts, words, partBytesMin)
}

/** More parts than an upload may have: objects of ten thousand each first, then one of those. */
async function assembleByLevels(
  place: AssemblyPlace,
  key: string,
  parts: readonly Part[],
  words: ObjectWords,
  partBytesMin: number,
): Promise<string> {
  const between: Run[] = []
  try {
    for (let at = 0; at < parts.length; at += PART_NUMBER_MAX) {
      const some = parts.slice(at, at + PART_NUMBER_MAX)
      // Beside the first chunk, so that it goes with its torrent should we not come to remove it.
      const level = `${some[0]![0]!.key.replace(/[^/]*$/, '')}level-${between.length}`
      const end = some.reduce((sum, part) => sum + bytesIn(part), 0)
      between.push({ key: level, start: 0, end })
      await upload(place, level, some, { contentType: undefined, metadata: {} })
    }
    return await assembleObject(place, key, between, words, partBytesMin)
  } finally {
    for (const { key: level } of between)
      await place.api.DeleteObject({ Bucket: place.bucket, Key: level }, place.call)
  }
}

async function upload(
  place: AssemblyPlace,
  key: string,
  parts: readonly Part[],
  words: ObjectWords,
): Promise<string> {
  const { api, call, bucket } = place
  const made = await api.CreateMultipartUpload(
    { Bucket: bucket, Key: key, ...headersOf(words) },
    call,
  )
  const target = { Bucket: bucket, Key: key, UploadId: made.UploadId }
  try {
    const done: { PartNumber: number; ETag: string }[] = []
    const lanes = Array.from({ length: Math.min(AT_ONCE, parts.length) }, async (_, lane) => {
      for (let i = lane; i < parts.length; i += AT_ONCE)
        done[i] = { PartNumber: i + 1, ETag: await send(place, target, i + 1, parts[i]!) }
    })
    await Promise.all(lanes)
    const output = await api.CompleteMultipartUpload(
      { ...target, MultipartUpload: { Parts: done } },
      call,
    )
    return output.ETag ?? ''
  } catch (error) {
    await api.AbortMultipartUpload(target, call).catch(() => {
      // The error that led here is the one to be told; uploads that are left are aborted in time.
    })
    throw error
  }
}

interface Target {
  readonly Bucket: string
  readonly Key: string
  readonly UploadId: string | undefined
}

async function send(
  { api, call, bucket }: AssemblyPlace,
  target: Target,
  number: number,
  part: Part,
): Promise<string> {
  const [first] = part
  const input = { ...target, PartNumber: number }
  if (part.length === 1) {
    const CopySource = copySourceOf(bucket, first!.key)
    const CopySourceRange = `bytes=${first!.start}-${first!.end - 1}`
    const matching = first!.etag === undefined ? {} : { CopySourceIfMatch: first!.etag }
    const output = await api.UploadPartCopy(
      { ...input, CopySource, CopySourceRange, ...matching },
      call,
    )
    return etagOf(output.CopyPartResult?.ETag)
  }
  const views: Uint8Array[] = []
  for (const { key, start, end, etag } of part) {
    const Range = `bytes=${start}-${end - 1}`
    const matching = etag === undefined ? {} : { IfMatch: etag }
    const { Body } = await api.GetObject({ Bucket: bucket, Key: key, Range, ...matching }, call)
    views.push(await bytesOf(Body, end - start, key))
  }
  const Body = new ChunkPayload(`${target.Key}/${number}`, views)
  return etagOf((await api.UploadPart({ ...input, Body }, call)).ETag)
}

function etagOf(etag: string | undefined): string {
  if (etag === undefined) throw new DiskError('the store told no ETag of a part')
  return etag
}

/** Runs as parts: each is at least so long, but the last. */
export function partsOf(runs: readonly Run[], partBytesMin: number): Part[] {
  const parts: Part[] = []
  let short: Run[] = []
  for (const run of runs) {
    let { start } = run
    if (start === run.end) continue
    if (short.length > 0) {
      // As much as the short ones lack; all of it where the rest would be short again.
      const wanted = start + partBytesMin - bytesIn(short)
      const split = run.end - wanted >= partBytesMin ? wanted : run.end
      short.push({ ...run, start, end: split })
      start = split
      if (bytesIn(short) < partBytesMin) continue
      parts.push(short)
      short = []
    }
    if (run.end - start < partBytesMin && run.end > start) short.push({ ...run, start })
    else parts.push(...ofCopySize({ ...run, start }, partBytesMin))
  }
  if (short.length > 0) parts.push(short)
  return parts
}

/** One copy is of 5 GiB at most. */
function* ofCopySize({ start, end, ...of }: Run, partBytesMin: number): Generator<Part> {
  for (let at = start; at < end;) {
    const rest = end - at
    const isLast = rest <= COPY_BYTES_MAX
    // Never so much that what is left is too short.
    const size = isLast ? rest : Math.min(COPY_BYTES_MAX, rest - partBytesMin)
    yield [{ ...of, start: at, end: at + size }]
    at += size
  }
}

function bytesIn(part: Part): number {
  return part.reduce((sum, { start, end }) => sum + end - start, 0)
}

function headersOf({ contentType, metadata }: ObjectWords): {
  readonly ContentType?: string
  readonly Metadata?: Record<string, string>
} {
  return {
    ...(contentType !== undefined && { ContentType: contentType }),
    ...(Object.keys(metadata).length > 0 && { Metadata: { ...metadata } }),
  }
}
