import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { Agent, request as requestTls } from 'node:https'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import {
  type ChecksumAlgorithm,
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACCESS_KEY, type Gateway, SECRET_KEY, startGateway } from '../harness/gateway.ts'
import { nameOf, targets } from '../harness/matrix.ts'
import { noise } from '../harness/tree.ts'

const BUCKET = 'sdk-js'

for (const target of targets()) {
  describe(`AWS SDK for JavaScript v3: ${nameOf(target)}`, () => {
    let gateway: Gateway
    let s3: S3Client
    beforeAll(async () => {
      gateway = await startGateway(target)
      const ca = gateway.caFile && readFileSync(gateway.caFile)
      s3 = new S3Client({
        endpoint: gateway.endpoint,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
        ...(ca && { requestHandler: { httpsAgent: new Agent({ ca }) } }),
      })
      await s3.send(new CreateBucketCommand({ Bucket: BUCKET }))
    })
    afterAll(async () => {
      s3.destroy()
      await gateway[Symbol.asyncDispose]()
    })
    const body = async (Key: string, Range?: string): Promise<Uint8Array> => {
      const got = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key, Range }))
      return got.Body!.transformToByteArray()
    }

    test('strings, buffers and streams are stored as they were sent', async () => {
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'text', Body: 'h\u00e9llo' }))
      expect(Buffer.from(await body('text')).toString()).toBe('h\u00e9llo')
      const bytes = noise(300_000, 3)
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'bytes', Body: bytes }))
      expect(Buffer.compare(await body('bytes'), bytes)).toBe(0)
      const pieces = Readable.from([Buffer.from('hello'), Buffer.from(' '), Buffer.from('world')], {
        objectMode: false,
      })
      await s3.send(
        new PutObjectCommand({ Bucket: BUCKET, Key: 'stream', Body: pieces, ContentLength: 11 }),
      )
      expect(Buffer.from(await body('stream')).toString()).toBe('hello world')
      expect(
        (await s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'stream' }))).ContentEncoding,
      ).toBeUndefined()
    })

    test('lib-storage uploads a stream of unknown length in parts', async () => {
      const bytes = noise(12 * 1024 * 1024 + 1, 5)
      const upload = new Upload({
        client: s3,
        params: { Bucket: BUCKET, Key: 'upload', Body: Readable.from(slices(bytes, 70_000)) },
      })
      await upload.done()
      expect(hash(await body('upload'))).toBe(hash(bytes))
      expect(
        Buffer.compare(
          await body('upload', 'bytes=5242870-5242889'),
          bytes.subarray(5_242_870, 5_242_890),
        ),
      ).toBe(0)
      const head = await s3.send(
        new HeadObjectCommand({ Bucket: BUCKET, Key: 'upload', ChecksumMode: 'ENABLED' }),
      )
      expect(head.ETag).toMatch(/-3"$/)
    })

    test.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] satisfies ChecksumAlgorithm[])(
      '%s is sent, verified, kept and returned',
      async (ChecksumAlgorithm) => {
        const Key = `sum-${ChecksumAlgorithm}`
        await s3.send(
          new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'checked', ChecksumAlgorithm }),
        )
        const got = await s3.send(
          new GetObjectCommand({ Bucket: BUCKET, Key, ChecksumMode: 'ENABLED' }),
        )
        expect(got[`Checksum${ChecksumAlgorithm}`]).toBeTruthy()
        expect(await got.Body!.transformToString()).toBe('checked')
      },
    )

    test('presigned URLs read and write without credentials', async () => {
      const url = await getSignedUrl(
        s3,
        new PutObjectCommand({ Bucket: BUCKET, Key: 'pre signed+\u00fc' }),
        { expiresIn: 300 },
      )
      expect((await curl(url, { method: 'PUT', body: 'signed away' })).status).toBe(200)
      const read = await getSignedUrl(
        s3,
        new GetObjectCommand({ Bucket: BUCKET, Key: 'pre signed+\u00fc' }),
        { expiresIn: 300 },
      )
      expect((await curl(read)).text).toBe('signed away')
    })

    test('conditional writes: create only, replace only what was read', async () => {
      const put = (extra: object): Promise<{ ETag?: string | undefined }> =>
        s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'cond', Body: 'v', ...extra }))
      const { ETag } = await put({ IfNoneMatch: '*' })
      await expect(put({ IfNoneMatch: '*' })).rejects.toMatchObject({ name: 'PreconditionFailed' })
      await expect(put({ IfMatch: '"stale"' })).rejects.toMatchObject({
        name: 'PreconditionFailed',
      })
      await put({ IfMatch: ETag })
    })

    test('listings page through odd keys in order', async () => {
      const keys = Array.from(
        { length: 23 },
        (_, i) => `l/${String(i).padStart(3, '0')} +%/\u00e9\u{1f600}`,
      )
      for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: '' }))
      const seen: string[] = []
      for await (const page of paginateListObjectsV2(
        { client: s3, pageSize: 5 },
        { Bucket: BUCKET, Prefix: 'l/' },
      ))
        seen.push(...(page.Contents ?? []).map((entry) => entry.Key!))
      expect(seen).toEqual(keys)
    })

    test('a copy, a delete of many, and a sub-resource without a handler leave the rest alone', async () => {
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'keep', Body: 'keep' }))
      await s3.send(
        new CopyObjectCommand({ Bucket: BUCKET, Key: 'keep 2', CopySource: `${BUCKET}/keep` }),
      )
      await s3
        .send(
          new PutObjectTaggingCommand({
            Bucket: BUCKET,
            Key: 'keep',
            Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] },
          }),
        )
        .catch((error: unknown) => expect(error).toMatchObject({ name: 'NotImplemented' }))
      expect(Buffer.from(await body('keep')).toString()).toBe('keep')
      const gone = await s3.send(
        new DeleteObjectsCommand({
          Bucket: BUCKET,
          Delete: { Objects: [{ Key: 'keep 2' }, { Key: 'never' }] },
        }),
      )
      expect(gone.Deleted).toHaveLength(2)
      await expect(
        s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'keep 2' })),
      ).rejects.toMatchObject({ name: 'NoSuchKey' })
    })

    test('DeleteBucket deletes the bucket, and only an empty one', async () => {
      await expect(s3.send(new DeleteBucketCommand({ Bucket: BUCKET }))).rejects.toMatchObject({
        name: 'BucketNotEmpty',
      })
      await s3.send(new CreateBucketCommand({ Bucket: 'sdk-js-empty' }))
      await s3.send(new PutObjectCommand({ Bucket: 'sdk-js-empty', Key: 'dir/', Body: '' }))
      await s3.send(new DeleteObjectCommand({ Bucket: 'sdk-js-empty', Key: 'dir/' }))
      await s3.send(new DeleteBucketCommand({ Bucket: 'sdk-js-empty' }))
      await expect(
        s3.send(new HeadBucketCommand({ Bucket: 'sdk-js-empty' })),
      ).rejects.toMatchObject({ name: 'NotFound' })
    })

    async function curl(
      url: string,
      options: { method?: string; body?: string } = {},
    ): Promise<{ status: number; text: string }> {
      const begin = url.startsWith('https') ? requestTls : request
      return new Promise((resolve, reject) => {
        const ask = begin(
          url,
          { method: options.method ?? 'GET', rejectUnauthorized: false },
          (answer) => {
            buffer(answer).then(
              (bytes) => resolve({ status: answer.statusCode ?? 0, text: bytes.toString() }),
              reject,
            )
          },
        )
        ask.on('error', reject)
        ask.end(options.body)
      })
    }
  })
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function* slices(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
