/** Two gateways: what is put into a bucket of the one comes to the other, over its S3. */
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketReplicationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ConfigInput, configOf } from './config.ts'
import { type Server, startServer } from './server.ts'

const HERE = { accessKeyId: 'here', secretAccessKey: 'a secret of here' }
const THERE = { accessKeyId: 'there', secretAccessKey: 'a secret of there' }
const memory = (): ConfigInput => ({
  port: 0,
  metadata: { engine: 'memory' },
  storage: { engine: 'memory' },
  limits: { minPartSize: 1 },
})

const servers: Server[] = []
const clients: S3Client[] = []
let here: S3Client
let there: S3Client

async function start(input: ConfigInput): Promise<Server> {
  const server = await startServer(configOf({ ...memory(), ...input }))
  servers.push(server)
  return server
}

function clientOf({ url }: Server, credentials: typeof HERE): S3Client {
  const client = new S3Client({
    endpoint: url,
    region: 'us-east-1',
    // The SDK notes in it where it is from.
    credentials: { ...credentials },
    forcePathStyle: true,
  })
  clients.push(client)
  return client
}

beforeEach(async () => {
  const other = await start({ credentials: [THERE] })
  const target = { bucket: 'copy', remoteBucket: 'far', endpoint: other.url, ...THERE }
  const own = await start({ credentials: [HERE], replication: { targets: [target] } })
  here = clientOf(own, HERE)
  there = clientOf(other, THERE)
  for (const [client, Bucket] of [
    [here, 'near'],
    [there, 'far'],
  ] as const) {
    await client.send(new CreateBucketCommand({ Bucket }))
    const VersioningConfiguration = { Status: 'Enabled' as const }
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
  }
  await here.send(
    new PutBucketReplicationCommand({
      Bucket: 'near',
      ReplicationConfiguration: {
        Role: 'arn:aws:iam::111111111111:role/replication',
        Rules: [
          {
            Status: 'Enabled',
            Priority: 1,
            Filter: {},
            DeleteMarkerReplication: { Status: 'Enabled' },
            Destination: { Bucket: 'arn:aws:s3:::copy' },
          },
        ],
      },
    }),
  )
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  for (const server of servers.splice(0)) await server.close()
})

/** Waits until the version is as that; it takes a moment. */
async function until(check: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < 400; n++) {
    if (await check().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('it did not come to that')
}

async function completed(Key: string): Promise<void> {
  const head = new HeadObjectCommand({ Bucket: 'near', Key })
  await until(async () => (await here.send(head)).ReplicationStatus === 'COMPLETED')
}

test('an object arrives with all that was said of it, and is a replica there', async () => {
  const Key = 'a b/ü+%'
  const Body = 'x'.repeat(200_000)
  const said = {
    ContentType: 'text/plain',
    CacheControl: 'no-cache',
    Expires: new Date(Date.UTC(2030, 0, 1)),
    Metadata: { one: '1' },
  }
  await here.send(
    new PutObjectCommand({ Bucket: 'near', Key, Body, ...said, Tagging: 'a=b%20c&d=%C3%BC' }),
  )
  await completed(Key)
  const at = { Bucket: 'far', Key }
  const got = await there.send(new GetObjectCommand(at))
  expect(await got.Body!.transformToString()).toBe(Body)
  const { Expires: _, ...kept } = said
  expect(got).toMatchObject({
    ...kept,
    ExpiresString: said.Expires.toUTCString(),
    ReplicationStatus: 'REPLICA',
  })
  const { TagSet } = await there.send(new GetObjectTaggingCommand(at))
  expect(TagSet).toEqual([
    { Key: 'a', Value: 'b c' },
    { Key: 'd', Value: 'ü' },
  ])
})

test('an object of parts arrives part by part, under its ETag', async () => {
  const at = { Bucket: 'near', Key: 'parts' }
  const { UploadId } = await here.send(new CreateMultipartUploadCommand(at))
  const Parts = []
  for (const [index, Body] of ['first', 'second'].entries()) {
    const PartNumber = index + 1
    const part = { ...at, UploadId, PartNumber, Body }
    const { ETag } = await here.send(new UploadPartCommand(part))
    Parts.push({ PartNumber, ETag })
  }
  const MultipartUpload = { Parts }
  const { ETag } = await here.send(
    new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }),
  )
  await completed('parts')
  const got = await there.send(new GetObjectCommand({ Bucket: 'far', Key: 'parts' }))
  expect(await got.Body!.transformToString()).toBe('firstsecond')
  expect(got.ETag).toBe(ETag)
})

test('delete markers and later tags go there too', async () => {
  const at = { Bucket: 'near', Key: 'k' }
  await here.send(new PutObjectCommand({ ...at, Body: 'one' }))
  await completed('k')
  const Tagging = { TagSet: [{ Key: 'x', Value: 'y' }] }
  await here.send(new PutObjectTaggingCommand({ ...at, Tagging }))
  await completed('k')
  const far = { Bucket: 'far', Key: 'k' }
  expect((await there.send(new GetObjectTaggingCommand(far))).TagSet).toEqual(Tagging.TagSet)
  await here.send(new DeleteObjectCommand(at))
  const list = new ListObjectVersionsCommand({ Bucket: 'far' })
  await until(async () => (await there.send(list)).DeleteMarkers?.length === 1)
})
