/** Of an S3, what a torrent's disk needs; and what whoever speaks to it needs. */
import type { Handler, Output, S3Api } from '../../api/operations.ts'
import { ChunkLost } from './chunk-store.ts'

const NEEDED = [
  'AbortMultipartUpload',
  'CompleteMultipartUpload',
  'CreateMultipartUpload',
  'DeleteObject',
  'DeleteObjects',
  'GetObject',
  'HeadObject',
  'ListObjectVersions',
  'ListObjectsV2',
  'PutObject',
  'UploadPart',
  'UploadPartCopy',
] as const

type Needed = (typeof NEEDED)[number]

/** Those operations, and none of them absent. */
export type TorrentS3 = { readonly [N in Needed]: Handler<N> }

/** Throws TypeError where the S3 lacks one. */
export function torrentS3(api: S3Api): TorrentS3 {
  for (const name of NEEDED)
    if (api[name] === undefined) throw new TypeError(`a torrent's disk needs ${name}`)
  return api as TorrentS3
}

/** All of a body, which has to be that long. */
export async function bytesOf(
  body: Output<'GetObject'>['Body'],
  sizeBytes: number,
  key: string,
): Promise<Uint8Array> {
  if (body instanceof Uint8Array && body.length === sizeBytes) return body
  const bytes = new Uint8Array(sizeBytes)
  let at = 0
  for await (const chunk of body instanceof Uint8Array ? [body] : (body ?? [])) {
    if (at + chunk.length > sizeBytes) throw new ChunkLost(`${key} is longer than it was`)
    bytes.set(chunk, at)
    at += chunk.length
  }
  if (at !== sizeBytes) throw new ChunkLost(`${key} is shorter than it was`)
  return bytes
}

/** `x-amz-copy-source` of an object. */
export function copySourceOf(bucket: string, key: string): string {
  return `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`
}
