/**
 * Replication's way out to other S3s, by AWS's own client, which is loaded when first needed. Where copies
 * may go the gateway's own configuration says, and nobody else.
 */
import { Readable } from 'node:stream'
import type * as aws from '@aws-sdk/client-s3'
import type { CompletedPart, S3Client } from '@aws-sdk/client-s3'
import type { Body } from './lib/stream.ts'
import type { Replica, Replicas } from './s3/replicas.ts'
import type { StoredTag } from './s3/rows.ts'

/** A bucket elsewhere. */
export interface ReplicationTarget {
  /** As rules name it: `arn:aws:s3:::` and this. */
  readonly bucket: string
  /** Its name there. */
  readonly remoteBucket: string
  readonly endpoint: string | undefined
  readonly region: string
  readonly pathStyle: boolean
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Copies say that they are replicas, so that a gateway there sends them no further. */
  readonly marksReplicas: boolean
}

type Sdk = typeof aws

interface Way {
  readonly sdk: Sdk
  readonly client: S3Client
  readonly target: ReplicationTarget
}

export class S3Replicas implements Replicas {
  readonly #targets: ReadonlyMap<string, ReplicationTarget>
  readonly #ways = new Map<string, Promise<Way>>()

  constructor(targets: readonly ReplicationTarget[]) {
    this.#targets = new Map(targets.map((target) => [target.bucket, target]))
  }

  /** Ends all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const way of this.#ways.values()) (await way).client.destroy()
    this.#ways.clear()
  }

  has(target: string): boolean {
    return this.#targets.has(target)
  }

  async isVersioned(target: string, signal: AbortSignal): Promise<boolean> {
    const { sdk, client, target: to } = await this.#way(target)
    const asked = new sdk.GetBucketVersioningCommand({ Bucket: to.remoteBucket })
    return (await client.send(asked, { abortSignal: signal })).Status === 'Enabled'
  }

  async put(target: string, replica: Replica, signal: AbortSignal): Promise<string> {
    const way = await this.#way(target)
    return replica.parts === undefined
      ? putWhole(way, replica, signal)
      : putParts(way, replica, signal)
  }

  async mark(target: string, key: string, signal: AbortSignal): Promise<string> {
    const { sdk, client, target: to } = await this.#way(target)
    const asked = new sdk.DeleteObjectCommand({ Bucket: to.remoteBucket, Key: key })
    return (await client.send(asked, { abortSignal: signal })).VersionId ?? 'null'
  }

  async tag(
    target: string,
    key: string,
    versionId: string,
    tags: readonly StoredTag[],
    signal: AbortSignal,
  ): Promise<void> {
    const { sdk, client, target: to } = await this.#way(target)
    const version = versionId === 'null' ? {} : { VersionId: versionId }
    const TagSet = tags.map(([Key, Value]) => ({ Key, Value }))
    const asked = { Bucket: to.remoteBucket, Key: key, ...version, Tagging: { TagSet } }
    await client.send(new sdk.PutObjectTaggingCommand(asked), { abortSignal: signal })
  }

  #way(name: string): Promise<Way> {
    let way = this.#ways.get(name)
    if (way === undefined) {
      const target = this.#targets.get(name)
      if (target === undefined) {
        return Promise.reject(new Error(`${name} is not among replication.targets`))
      }
      way = openWay(target)
      this.#ways.set(name, way)
    }
    return way
  }
}

/** Writes: those that say what they are. */
const MARKED: ReadonlySet<string> = new Set([
  'PutObjectCommand',
  'CreateMultipartUploadCommand',
  'DeleteObjectCommand',
])

async function openWay(target: ReplicationTarget): Promise<Way> {
  const loaded: Sdk = await import('@aws-sdk/client-s3')
  const { endpoint, region, pathStyle, accessKeyId, secretAccessKey, marksReplicas } = target
  const client = new loaded.S3Client({
    region,
    ...(endpoint !== undefined && { endpoint }),
    forcePathStyle: pathStyle,
    credentials: { accessKeyId, secretAccessKey },
    // What fails is tried again by the worker, who knows for how long.
    maxAttempts: 1,
  })
  if (marksReplicas) {
    client.middlewareStack.add(
      (next, context) => (args) => {
        if (MARKED.has(context['commandName'] as string)) {
          const { headers } = args.request as { headers: Record<string, string> }
          headers['x-amz-replication-status'] = 'REPLICA'
        }
        return next(args)
      },
      { step: 'build', name: 'marksReplicas' },
    )
  }
  return { sdk: loaded, client, target }
}

async function putWhole(
  { sdk, client, target }: Way,
  replica: Replica,
  signal: AbortSignal,
): Promise<string> {
  const { body, size } = await replica.read()
  const input = {
    Bucket: target.remoteBucket,
    ...membersOf(replica),
    ...sumOf(replica),
    Body: streamed(body),
    ContentLength: size,
  }
  const { VersionId } = await client.send(new sdk.PutObjectCommand(input), { abortSignal: signal })
  return VersionId ?? 'null'
}

/** Part by part as it was uploaded, so that its ETag is the same. */
async function putParts(
  { sdk, client, target }: Way,
  replica: Replica,
  signal: AbortSignal,
): Promise<string> {
  const at = { Bucket: target.remoteBucket, Key: replica.key }
  const options = { abortSignal: signal }
  const begin = new sdk.CreateMultipartUploadCommand({ ...at, ...membersOf(replica) })
  const { UploadId } = await client.send(begin, options)
  try {
    const Parts: CompletedPart[] = []
    for (let PartNumber = 1; PartNumber <= replica.parts!; PartNumber++) {
      const { body, size } = await replica.read(PartNumber)
      const part = { ...at, UploadId, PartNumber, Body: streamed(body), ContentLength: size }
      const { ETag } = await client.send(new sdk.UploadPartCommand(part), options)
      Parts.push({ ETag, PartNumber })
    }
    const end = new sdk.CompleteMultipartUploadCommand({
      ...at,
      UploadId,
      MultipartUpload: { Parts },
    })
    return (await client.send(end, options)).VersionId ?? 'null'
  } catch (error) {
    await client
      .send(new sdk.AbortMultipartUploadCommand({ ...at, UploadId }))
      .catch(() => undefined)
    throw error
  }
}

function streamed(body: Body | Uint8Array): Readable | Uint8Array {
  return body instanceof Uint8Array ? body : Readable.from(body, { objectMode: false })
}

/** What an upload says of its object. Texts of headers are latin1, as they came. */
function membersOf({ key, headers, metadata, tags, storageClass, encryption }: Replica) {
  const { ExpiresString, ...kept } = headers
  const expires = new Date(ExpiresString ?? '')
  return {
    Key: key,
    ...kept,
    ...(Number.isNaN(expires.getTime()) ? {} : { Expires: expires }),
    Metadata: { ...metadata },
    ...(tags.length > 0 && {
      Tagging: new URLSearchParams(tags.map((tag) => [...tag])).toString(),
    }),
    ...(storageClass !== undefined && { StorageClass: storageClass as 'STANDARD' }),
    ...(encryption !== undefined && { ServerSideEncryption: encryption.method }),
    ...(encryption?.keyId !== undefined && { SSEKMSKeyId: encryption.keyId }),
  }
}

/** The checksum goes along, where it is over the whole: from here to there nothing changes unseen. */
function sumOf({ checksum }: Replica): Readonly<Record<string, string>> {
  if (checksum === undefined || checksum[2] !== 'FULL_OBJECT') return {}
  return { [`Checksum${checksum[0]}`]: checksum[1] }
}
