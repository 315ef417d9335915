import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { UNRESTRICTED } from '../api/access.ts'
import type { Call, S3Api } from '../api/operations.ts'
import { S3Error } from '../api/error.ts'
import { getObjectTorrent } from './get-object-torrent.ts'
import { readMetainfo } from './read-metainfo.ts'
import { NO_TORRENTS } from './service.ts'

const CALL: Call = {
  requestId: 'TEST',
  requester: undefined,
  access: UNRESTRICTED,
  signal: new AbortController().signal,
}

/** An S3 of one object at `b/dir/a file.bin`. */
class OneObject {
  reads = 0
  bytes: Uint8Array
  modified = new Date(1_700_000_000_000)

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get etag(): string {
    return `"${createHash('md5').update(this.bytes).digest('hex')}"`
  }

  get api(): S3Api {
    return {
      HeadObject: async ({ Key }) => {
        if (Key !== 'dir/a file.bin') throw new S3Error('NoSuchKey')
        return { ETag: this.etag, ContentLength: this.bytes.length, LastModified: this.modified }
      },
      GetObject: async ({ IfMatch }) => {
        this.reads++
        if (IfMatch !== this.etag) throw new S3Error('PreconditionFailed')
        const { bytes } = this
        return {
          Body: (async function* () {
            for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000)
          })(),
        }
      },
    }
  }
}

const OPTIONS = {
  publicUrl: () => 'https://s3.example.com',
  trackers: () => ['https://s3.example.com/announce'],
}

const ask = { Bucket: 'b', Key: 'dir/a file.bin' }

test('the torrent is a hybrid of the object’s bytes, and its web seed is the object', async () => {
  const object = new OneObject(new Uint8Array(100_000).fill(7))
  const { Body } = await getObjectTorrent(object.api, OPTIONS)(ask, CALL)
  const { info, ...rest } = readMetainfo(Body as Uint8Array)
  expect(info.name).toBe('a file.bin')
  expect(info.isFolder).toBe(false)
  expect(info.totalBytes).toBe(100_000)
  expect(info.hashes.v1).toHaveLength(20)
  expect(info.hashes.v2).toHaveLength(32)
  const first = createHash('sha1').update(object.bytes.subarray(0, info.pieceBytes)).digest('hex')
  expect(Buffer.from(info.pieces!.subarray(0, 20)).toString('hex')).toBe(first)
  expect(rest.webSeeds).toEqual(['https://s3.example.com/b/dir/a%20file.bin'])
  expect(rest.trackers).toEqual([['https://s3.example.com/announce']])
})

test('an object is hashed once while it stays as it is, for all who ask at the same time too', async () => {
  const object = new OneObject(new Uint8Array(1000))
  const torrent = getObjectTorrent(object.api, OPTIONS)
  const [one, two] = await Promise.all([torrent(ask, CALL), torrent(ask, CALL)])
  expect(one.Body).toBe(two.Body)
  await torrent(ask, CALL)
  expect(object.reads).toBe(1)
  object.bytes = new Uint8Array(1000).fill(1)
  const changed = await torrent(ask, CALL)
  expect(changed.Body).not.toEqual(one.Body)
  expect(object.reads).toBe(2)
})

test('what has no torrent is refused in S3’s words', async () => {
  const outcome = (object: OneObject, input = ask): Promise<unknown> =>
    getObjectTorrent(object.api, OPTIONS)(input, CALL).catch((error: unknown) => error)
  expect(await outcome(new OneObject(new Uint8Array(0)))).toMatchObject({ code: 'InvalidRequest' })
  const none = await outcome(new OneObject(new Uint8Array(1)), { Bucket: 'b', Key: 'none' })
  expect(none).toMatchObject({ code: 'NoSuchKey' })
  const large = new OneObject(new Uint8Array(1))
  Object.defineProperty(large, 'bytes', { value: { length: 6 * 1024 ** 3 } })
  Object.defineProperty(large, 'etag', { value: '"e"' })
  expect(await outcome(large)).toMatchObject({ code: 'InvalidRequest' })
})

test('an object that changes while it is read gives no torrent of the two', async () => {
  const object = new OneObject(new Uint8Array(1000))
  const { api } = object
  const changing: S3Api = {
    ...api,
    GetObject: (input, call) => {
      object.bytes = new Uint8Array(1000).fill(2)
      return api.GetObject!(input, call)
    },
  }
  await expect(getObjectTorrent(changing, OPTIONS)(ask, CALL)).rejects.toMatchObject({
    code: 'PreconditionFailed',
  })
})

test('where torrents are switched off there is none of any object', async () => {
  const asked = NO_TORRENTS.GetObjectTorrent!({ Bucket: 'b', Key: 'k' }, CALL)
  await expect(asked).rejects.toMatchObject({ code: 'NoSuchKey', status: 404 })
})
