/** For tests: an S3 over given stores with a clock of its own, and payloads made of bytes. */
import type { MetadataStore } from '../../metadata/store.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import { UNRESTRICTED } from '../api/access.ts'
import type { ChecksumAlgorithm } from '../api/checksum.ts'
import type { PolicyRules } from '../api/facts.ts'
import type { Call, Output } from '../api/operations.ts'
import type { People } from '../api/people.ts'
import type { DigestName, Payload, Taken } from '../api/payload.ts'
import { digestOf } from '../lib/digest.ts'
import { SILENT } from '../lib/meter.ts'
import type { Body } from '../lib/stream.ts'
import { Ulids } from '../lib/ulid.ts'
import { Buckets } from './bucket.ts'
import { Configs } from './bucket-config.ts'
import type { BucketLease } from './bucket-lease.ts'
import type { Context, S3Options } from './context.ts'
import { copyObject } from './copy-object.ts'
import { deleteObject } from './delete-object.ts'
import { getObject, headObject } from './get-object.ts'
import { type EncryptionParts, Keyring, NO_ENCRYPTION } from './keyring.ts'
import { putObject } from './put-object.ts'
import { Nudges } from './nudged-rounds.ts'
import { NO_WEBHOOKS } from './outbox.ts'
import { NO_REPLICAS } from './replicas.ts'
import { Reading } from './reading.ts'
import { type BucketRow, shares } from './rows.ts'
import { Sweep, SWEEP_DEFAULTS, type SweepOptions } from './sweep.ts'

export const OWNER: readonly [string, string] = ['owner-id', 'Owner']

export const CALL: Call = {
  requestId: 'TESTTESTTESTTEST',
  requester: { id: OWNER[0], displayName: OWNER[1] },
  access: UNRESTRICTED,
  signal: new AbortController().signal,
}

export const OPTIONS: S3Options = {
  region: 'us-east-1',
  inlineMaxBytes: 16,
  putBytesMax: 1024 ** 2,
  partBytesMin: 0,
  abandonedUploadMs: 0,
  etag: 'md5',
  compat: 'legacy',
}

/** Takes any text for a policy; one that speaks of the public is public, and a service is let in for the buckets that it names. */
const LENIENT: PolicyRules = {
  check: (text) => ({
    isPublic: text.includes('public'),
    opensToWriters: text.includes('writers'),
  }),
  lets: (text, { service, sourceBucket }) =>
    text.includes(service) && text.includes(`for ${sourceBucket}`),
}

/** Everybody has an account, and a name that says so. */
const ANYBODY: People = {
  name: (id) => (id === 'nobody' ? undefined : `name of ${id}`),
  byEmail: (email) => (email === 'known@example.com' ? ['known', 'Known'] : undefined),
}

/** Time that only tests move. */
export class FixtureClock {
  time: number = Date.UTC(2026, 0, 1)

  now(): number {
    return this.time
  }
}

/** How many share rows there are. */
export async function countShares(metadata: MetadataStore): Promise<number> {
  let count = 0
  const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
  for (const high of digits) {
    for (const low of digits) {
      const partition = shares(high + low)
      count += (await metadata.scan(partition, 'share', { from: '', limit: 1000 })).length
    }
  }
  return count
}

/** A body as the pipeline would hand it over: whole up to `inlineMax`, else in chunks of 7 bytes. */
export class BytesPayload implements Payload {
  readonly size: number | undefined
  readonly claimed: { readonly algorithm: ChecksumAlgorithm } | undefined
  readonly #bytes: Uint8Array
  readonly #failure: Error | undefined

  constructor(
    bytes: Uint8Array,
    claims: { algorithm?: ChecksumAlgorithm; unsized?: boolean; failure?: Error } = {},
  ) {
    this.#bytes = bytes
    this.#failure = claims.failure
    this.size = claims.unsized === true ? undefined : bytes.length
    this.claimed = claims.algorithm === undefined ? undefined : { algorithm: claims.algorithm }
  }

  async take(inlineMax: number): Promise<Taken> {
    if (this.#bytes.length > inlineMax) return this.#chunks()
    if (this.#failure !== undefined) throw this.#failure
    return this.#bytes
  }

  async *#chunks(): Body {
    for (let at = 0; at < this.#bytes.length; at += 7) yield this.#bytes.slice(at, at + 7)
    if (this.#failure !== undefined) throw this.#failure
  }

  digest(name: DigestName): string {
    return digestOf(name, this.#bytes)
  }
}

/** One bucket `b`, and the operations on its objects in short. */
export class Fixture {
  readonly clock: FixtureClock
  readonly ctx: Context

  constructor(
    metadata: MetadataStore,
    storage: ObjectStorage,
    options: Partial<S3Options> = {},
    clock: FixtureClock = new FixtureClock(),
    lease?: BucketLease,
    encryption: EncryptionParts = NO_ENCRYPTION,
  ) {
    this.clock = clock
    this.ctx = {
      metadata,
      storage,
      underKey: encryption.underKey,
      keyring: new Keyring(encryption.keys),
      clock,
      ids: new Ulids(clock),
      options: { ...OPTIONS, ...options },
      buckets: new Buckets(metadata, clock, lease),
      configs: new Configs(metadata),
      reading: new Reading(),
      policies: LENIENT,
      people: ANYBODY,
      webhooks: NO_WEBHOOKS,
      outbox: new Nudges(),
      replicas: NO_REPLICAS,
      replication: new Nudges(),
      versionRemovals: () => undefined,
    }
  }

  /** Makes the bucket, or sets its versioning. */
  async bucket(name = 'b', versioning?: 'Enabled' | 'Suspended'): Promise<void> {
    const row: BucketRow = {
      t: this.clock.now(),
      owner: OWNER,
      region: 'us-east-1',
      ...(versioning !== undefined && { versioning }),
    }
    const write = (partition: string, sort: string, value: object): Promise<boolean> =>
      this.ctx.metadata.commit({
        partition,
        expects: [],
        writes: [{ table: 'bucket', sort, value: { ...value } }],
      })
    await write('', name, { t: row.t, owner: row.owner[0] })
    await write(name, '', row)
    this.ctx.buckets.forget(name)
  }

  put(
    key: string,
    body: string | Uint8Array,
    more: object = {},
    bucket = 'b',
  ): Promise<Output<'PutObject'>> {
    const payload = new BytesPayload(Buffer.from(body))
    return putObject(this.ctx)({ Bucket: bucket, Key: key, Body: payload, ...more }, CALL)
  }

  get(key: string, more: object = {}, bucket = 'b'): Promise<Output<'GetObject'>> {
    return getObject(this.ctx)({ Bucket: bucket, Key: key, ...more }, CALL)
  }

  head(key: string, more: object = {}): Promise<Output<'HeadObject'>> {
    return headObject(this.ctx)({ Bucket: 'b', Key: key, ...more }, CALL)
  }

  async text(key: string, more: object = {}, bucket = 'b'): Promise<string> {
    return textOf((await this.get(key, more, bucket)).Body)
  }

  delete(key: string, more: object = {}, bucket = 'b'): Promise<Output<'DeleteObject'>> {
    return deleteObject(this.ctx)({ Bucket: bucket, Key: key, ...more }, CALL)
  }

  copy(source: string, key: string, more: object = {}): Promise<Output<'CopyObject'>> {
    return copyObject(this.ctx)({ Bucket: 'b', Key: key, CopySource: source, ...more }, CALL)
  }

  /** A sweep that waits for nothing: garbage goes at once. */
  sweep(options: Partial<SweepOptions> = {}): Sweep {
    return new Sweep(
      this.ctx,
      {
        ...SWEEP_DEFAULTS,
        graceMs: -1,
        settleMs: 0,
        onError: (error) => {
          throw error
        },
        ...options,
      },
      SILENT,
    )
  }

  /** Ids of all blobs. */
  async blobs(): Promise<readonly string[]> {
    const ids: string[] = []
    for await (const { id } of this.ctx.storage.list('')) ids.push(id)
    return ids
  }
}

export async function textOf(body: Body | Uint8Array | undefined): Promise<string> {
  return (await bytesOf(body)).toString()
}

export async function bytesOf(body: Body | Uint8Array | undefined): Promise<Buffer> {
  if (body === undefined) return Buffer.alloc(0)
  if (body instanceof Uint8Array) return Buffer.from(body)
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
