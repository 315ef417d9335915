/**
 * Chunks in an S3: written once, over the few operations that it takes. In this process they are the
 * gateway's own; a remote S3 comes by `remote-s3.ts`.
 */
import { S3Error } from '../../api/error.ts'
import { DELETE_OBJECTS_MAX } from '../../api/limits.ts'
import type { Call } from '../../api/operations.ts'
import { BlobDamaged, BlobMissing } from '../../lib/store-error.ts'
import { DiskError } from '../disk-io.ts'
import { assembleObject } from './assemble-object.ts'
import { ChunkPayload } from './chunk-payload.ts'
import {
  ChunkLost,
  type ChunkStore,
  type ObjectLook,
  type ObjectWords,
  type Run,
  type StoredKey,
} from './chunk-store.ts'
import { bytesOf, type TorrentS3 } from './torrent-s3.ts'

export interface S3ChunkOptions {
  /** As whom. In this process with the access ASSEMBLING, so that parts may be of any size. */
  readonly call: Omit<Call, 'signal'>
  /** Least bytes of a part but the last, when an object is put together: 5 MiB at an S3 that is not ours. */
  readonly partBytesMin: number
}

export class S3ChunkStore implements ChunkStore {
  readonly #api: TorrentS3
  readonly #call: Call
  readonly #partBytesMin: number

  constructor(api: TorrentS3, { call, partBytesMin }: S3ChunkOptions) {
    this.#api = api
    this.#call = { ...call, signal: new AbortController().signal }
    this.#partBytesMin = partBytesMin
  }

  async put(bucket: string, key: string, body: readonly Uint8Array[]): Promise<string | undefined> {
    const input = { Bucket: bucket, Key: key, Body: new ChunkPayload(key, body) }
    const output = await told('writing', key, this.#api.PutObject(input, this.#call))
    return output.VersionId
  }

  async get(bucket: string, { key, start, end, etag }: Run): Promise<Uint8Array> {
    if (start === end) return new Uint8Array(0)
    const input = {
      Bucket: bucket,
      Key: key,
      Range: `bytes=${start}-${end - 1}`,
      ...matching(etag),
    }
    const { Body } = await told('reading', key, this.#api.GetObject(input, this.#call))
    return told('reading', key, bytesOf(Body, end - start, key))
  }

  async find(bucket: string, key: string): Promise<Uint8Array | undefined> {
    try {
      const { Body, ContentLength = 0 } = await this.#api.GetObject(
        { Bucket: bucket, Key: key },
        this.#call,
      )
      return await bytesOf(Body, ContentLength, key)
    } catch (error) {
      if (codeOf(error) === 'NoSuchKey') return undefined
      throw asDiskError('reading', key, error)
    }
  }

  async *list(bucket: string, prefix: string, after: string): AsyncGenerator<StoredKey> {
    let token: string | undefined
    do {
      const where = token === undefined ? { StartAfter: after } : { ContinuationToken: token }
      const input = { Bucket: bucket, Prefix: prefix, ...where }
      const page = await told('listing', prefix, this.#api.ListObjectsV2(input, this.#call))
      for (const { Key = '', Size = 0 } of page.Contents ?? []) yield { key: Key, sizeBytes: Size }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async remove(bucket: string, key: string, version: string | undefined): Promise<void> {
    const input = { Bucket: bucket, Key: key, ...(version !== undefined && { VersionId: version }) }
    await told('removing', key, this.#api.DeleteObject(input, this.#call))
  }

  async removeAll(bucket: string, prefix: string): Promise<void> {
    for (;;) {
      const input = { Bucket: bucket, Prefix: prefix, MaxKeys: DELETE_OBJECTS_MAX }
      const page = await told('listing', prefix, this.#api.ListObjectVersions(input, this.#call))
      const Objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map((version) => ({
        Key: version.Key,
        VersionId: version.VersionId,
      }))
      if (Objects.length === 0) return
      const deletion = { Bucket: bucket, Delete: { Objects, Quiet: true } }
      const { Errors = [] } = await told(
        'removing',
        prefix,
        this.#api.DeleteObjects(deletion, this.#call),
      )
      const [first] = Errors
      if (first !== undefined)
        throw new DiskError(`removing ${first.Key}: ${first.Message ?? first.Code}`)
    }
  }

  assemble(bucket: string, key: string, runs: readonly Run[], words: ObjectWords): Promise<string> {
    const where = { api: this.#api, call: this.#call, bucket }
    return told(
      'putting together',
      key,
      assembleObject(where, key, runs, words, this.#partBytesMin),
    )
  }

  async look(bucket: string, key: string): Promise<ObjectLook | undefined> {
    try {
      const head = await this.#api.HeadObject({ Bucket: bucket, Key: key }, this.#call)
      return { sizeBytes: head.ContentLength ?? 0, etag: head.ETag ?? '' }
    } catch (error) {
      const code = codeOf(error)
      if (code === 'NoSuchKey' || code === 'NotFound') return undefined
      throw asDiskError('looking at', key, error)
    }
  }
}

function matching(etag: string | undefined): { readonly IfMatch?: string } {
  return etag === undefined ? {} : { IfMatch: etag }
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof S3Error) return error.code
  return error instanceof Error ? error.name : undefined
}

/** An object of ours that is not there, or that ends too soon, is lost. */
const LOST: ReadonlySet<string | undefined> = new Set([
  'NoSuchKey',
  'NotFound',
  'InvalidRange',
  'PreconditionFailed',
])

function asDiskError(what: string, key: string, error: unknown): DiskError {
  if (error instanceof DiskError) return error
  const message = `${what} ${key}: ${error instanceof Error ? error.message : String(error)}`
  const isDamaged = error instanceof BlobMissing || error instanceof BlobDamaged
  if (isDamaged || LOST.has(codeOf(error))) return new ChunkLost(message, { cause: error })
  return new DiskError(message, { cause: error })
}

async function told<T>(what: string, key: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw asDiskError(what, key, error)
  }
}
