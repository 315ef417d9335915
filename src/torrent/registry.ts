/**
 * Which torrents there are, as objects of one bucket: `torrents/<id>/record.json`, and the .torrent file
 * beside it once its content is known. So it is kept by whatever keeps the objects, and survives what they
 * survive. A record is written whole; the last one written counts.
 */
import { S3Error } from '../api/error.ts'
import type { Call, S3Api } from '../api/operations.ts'
import { payloadOf } from '../api/payload-of.ts'
import type { Choice } from './file-names.ts'
import { readWhole } from './whole-object.ts'

export interface TorrentRecord {
  readonly version: 1
  /** Info hash in hex; never changes, even where a magnet link knew only one of two. */
  readonly id: string
  readonly name: string
  readonly bucket: string
  /** '' or ending with a slash. */
  readonly prefix: string
  /** The link, as long as the info is not known. */
  readonly magnet: string | undefined
  /** As it was asked for. */
  readonly files: Choice | undefined
  /** Whether objects that are in the way may be replaced. */
  readonly overwrite: boolean
  /** Beside those of the torrent itself. */
  readonly peers: readonly string[]
  readonly seeds: boolean
  /** Epoch milliseconds. */
  readonly addedAt: number
  readonly doneAt: number | undefined
  /** ETags of the objects that its files have become, by the file's index. */
  readonly kept: Readonly<Record<string, string>>
  /** Payload, of all times together. */
  readonly downloadedBytes: number
  readonly uploadedBytes: number
  /** It is being removed: without its objects, or with them. */
  readonly removing: 'keep' | 'data' | undefined
}

const FOLDER = 'torrents/'
const RECORD = 'record.json'
const METAINFO = 'metainfo.torrent'
const RECORD_BYTES_MAX: number = 64 * 1024 ** 2
const METAINFO_BYTES_MAX: number = 128 * 1024 ** 2

export class TorrentRegistry {
  readonly #api: S3Api
  readonly #bucket: string
  readonly #call: () => Call | Promise<Call>

  constructor(api: S3Api, bucket: string, call: () => Call | Promise<Call>) {
    this.#api = api
    this.#bucket = bucket
    this.#call = call
  }

  /** All records. One that cannot be read is told to `onBad`, and left as it is. */
  async *records(onBad: (key: string, error: unknown) => void): AsyncGenerator<TorrentRecord> {
    for await (const key of this.#keys()) {
      if (!key.endsWith(`/${RECORD}`)) continue
      const bytes = await this.#read(key, RECORD_BYTES_MAX)
      if (bytes === undefined) continue
      try {
        yield readRecord(bytes)
      } catch (error) {
        onBad(key, error)
      }
    }
  }

  async put(record: TorrentRecord): Promise<void> {
    await this.#put(keyOf(record.id, RECORD), Buffer.from(JSON.stringify(record)))
  }

  metainfo(id: string): Promise<Uint8Array | undefined> {
    return this.#read(keyOf(id, METAINFO), METAINFO_BYTES_MAX)
  }

  async putMetainfo(id: string, metainfo: Uint8Array): Promise<void> {
    await this.#put(keyOf(id, METAINFO), metainfo)
  }

  async delete(id: string): Promise<void> {
    const call = await this.#call()
    // The record last: while it is there, the removal can be repeated.
    for (const name of [METAINFO, RECORD])
      await this.#api.DeleteObject!({ Bucket: this.#bucket, Key: keyOf(id, name) }, call)
  }

  async #put(Key: string, bytes: Uint8Array): Promise<void> {
    const input = { Bucket: this.#bucket, Key, Body: payloadOf(bytes) }
    await this.#api.PutObject!(input, await this.#call())
  }

  async #read(key: string, sizeMax: number): Promise<Uint8Array | undefined> {
    try {
      return await readWhole(this.#api, { bucket: this.#bucket, key }, await this.#call(), sizeMax)
    } catch (error) {
      if (error instanceof S3Error && error.code === 'NoSuchKey') return undefined
      throw error
    }
  }

  async *#keys(): AsyncGenerator<string> {
    let token: string | undefined
    do {
      const page = await this.#api.ListObjectsV2!(
        {
          Bucket: this.#bucket,
          Prefix: FOLDER,
          ...(token !== undefined && { ContinuationToken: token }),
        },
        await this.#call(),
      )
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield Key
      token = page.NextContinuationToken
    } while (token !== undefined)
  }
}

function keyOf(id: string, name: string): string {
  return `${FOLDER}${id}/${name}`
}

function readRecord(bytes: Uint8Array): TorrentRecord {
  const record = JSON.parse(Buffer.from(bytes).toString()) as TorrentRecord
  if (record.version !== 1) throw new Error(`version ${String(record.version)} is not known here`)
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(record.id)) throw new Error('no id')
  return record
}
