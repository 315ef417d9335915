/**
 * GetObjectTorrent (`GET /bucket/key?torrent`): the torrent of one object, for any BitTorrent client.
 *
 * It is a hybrid of version 1 and 2, and names the object's own URL as a web seed (BEP 19): a client
 * downloads it without a single peer, as far as anonymous requests may read the object, and with peers
 * takes load off this gateway. The object is read and hashed once, in a thread beside the loop; the
 * torrent is kept for as long as the object stays as it is.
 */
import { basename } from 'node:path/posix'
import { S3Error } from '../api/error.ts'
import type { Call, Handler, Input, Output, S3Api } from '../api/operations.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import type { Body } from '../lib/stream.ts'
import { createMetainfo } from './create-metainfo.ts'
import { TorrentError } from './metainfo.ts'
import { ThreadRowHasher } from './row-hasher.ts'
import { safeName } from './safe-name.ts'

/** S3 makes torrents of objects up to 5 GiB. */
export const TORRENT_OBJECT_BYTES_MAX: number = 5 * 1024 ** 3
/** Torrents kept; each has at most some 400 KB. */
const KEPT_MAX = 256
/** Objects that are hashed at once; more are sent away for a while. */
const AT_ONCE_MAX = 4

export interface TorrentOptions {
  /** How clients reach this gateway, without a slash at the end. */
  readonly publicUrl: () => string
  /** Announce URLs for the torrents that are made; may be none. */
  readonly trackers: () => readonly string[]
}

export function getObjectTorrent(api: S3Api, options: TorrentOptions): Handler<'GetObjectTorrent'> {
  const kept = new BoundedMap<Uint8Array>(KEPT_MAX)
  const underWay = new Map<string, Promise<Uint8Array>>()
  return async (input, call) => {
    const object = await readHead(api, input, call)
    const name = [input.Bucket, input.Key, object.etag, object.modified].join('\n')
    const known = kept.get(name)
    if (known !== undefined) return { Body: known }
    let making = underWay.get(name)
    if (making === undefined) {
      if (underWay.size >= AT_ONCE_MAX) throw new S3Error('SlowDown')
      making = make(api, input, call, object, options).finally(() => underWay.delete(name))
      underWay.set(name, making)
    }
    const torrent = await making
    kept.set(name, torrent)
    return { Body: torrent }
  }
}

interface ObjectHead {
  readonly etag: string
  readonly sizeBytes: number
  readonly modified: number
}

async function readHead(
  api: S3Api,
  input: Input<'GetObjectTorrent'>,
  call: Call,
): Promise<ObjectHead> {
  const { Bucket, Key, ExpectedBucketOwner } = input
  const output: Output<'HeadObject'> = await api.HeadObject!(
    { Bucket, Key, ...(ExpectedBucketOwner !== undefined && { ExpectedBucketOwner }) },
    call,
  )
  const sizeBytes = output.ContentLength ?? 0
  if (sizeBytes > TORRENT_OBJECT_BYTES_MAX)
    throw new S3Error('InvalidRequest', {
      message: 'Torrents are made of objects of up to 5 GiB.',
    })
  return { etag: output.ETag ?? '', sizeBytes, modified: output.LastModified?.getTime() ?? 0 }
}

async function make(
  api: S3Api,
  input: Input<'GetObjectTorrent'>,
  call: Call,
  { etag, sizeBytes, modified }: ObjectHead,
  { publicUrl, trackers }: TorrentOptions,
): Promise<Uint8Array> {
  const { Bucket = '', Key = '' } = input
  const name = safeName(basename(Key))
  // Several may wait for it: who asked first may go away.
  const steady: Call = { ...stripped(call), signal: new AbortController().signal }
  const read = async (): Promise<Body> => {
    const { Body: body } = await api.GetObject!({ Bucket, Key, IfMatch: etag }, steady)
    return bodyOf(body)
  }
  try {
    return await createMetainfo([{ path: [name], sizeBytes, read }], {
      name,
      version: 'hybrid',
      webSeeds: [urlOf(publicUrl(), Bucket, Key)],
      trackers: trackers().map((tracker) => [tracker]),
      createdBy: 'Sluice',
      createdAt: modified,
      hasher: (options) => new ThreadRowHasher(options),
    })
  } catch (error) {
    if (!(error instanceof TorrentError)) throw error
    throw new S3Error('InvalidRequest', { message: error.message, cause: error })
  }
}

/** A call may be more than its members: only they go along. */
function stripped({ requestId, requester, access, signal }: Call): Call {
  return { requestId, requester, access, signal }
}

async function* bodyOf(body: Output<'GetObject'>['Body']): Body {
  if (body instanceof Uint8Array) {
    if (body.length > 0) yield body
  } else if (body !== undefined) yield* body
}

/** Path style, for it works at every gateway. */
export function urlOf(publicUrl: string, bucket: string, key: string): string {
  const path = [bucket, ...key.split('/')].map(encodeURIComponent).join('/')
  return `${publicUrl}/${path}`
}
