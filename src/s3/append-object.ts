/**
 * PutObject with `x-amz-write-offset-bytes`: the bytes go behind those that the object has, in one commit.
 *
 * What is there stays where it is: the object gets one extent more. So that extents do not become too many,
 * the last of them are rewritten as one blob once there are `EXTENTS_MAX`. Of what was a multipart object
 * the parts are forgotten. The ETag is new and no MD5; a CRC is carried on. What is encrypted is appended to
 * under the data key that it has.
 */
import { S3Error } from '../api/error.ts'
import type { Call, Handler, Input, Output } from '../api/operations.ts'
import type { ChecksumAlgorithm } from '../api/checksum.ts'
import type { DigestName } from '../api/payload.ts'
import { announce } from './announce.ts'
import { addChecksum, combineChecksums, digestsFor, uploadAlgorithm } from './checksum.ts'
import { checkWrite } from './condition.ts'
import {
  checkPutSize,
  discardWritten,
  extentsOf,
  inlineMax,
  placedParts,
  type Written,
  writeContent,
} from './content.ts'
import type { Context } from './context.ts'
import { customerKey } from './customer-key.ts'
import { sealingOnto, showEncryption } from './encryption.ts'
import { ExtentsBody } from './extents-body.ts'
import { checkExpectedOwner, objectAddress, refuseUnsupported } from './object-input.ts'
import type { Row } from '../../metadata/store.ts'
import type { Blobs } from '../../storage/store.ts'
import type { BucketRow, Content, Extent, StoredChecksum, VersionRow } from './rows.ts'
import { lookRow } from './rows.ts'
import { transact, type Tx } from './transact.ts'
import { type Mutable, pushVersion, type VersionDraft } from './version.ts'

/** Extents of one object; then the last half of them becomes one blob. */
const EXTENTS_MAX = 256
/** Pages of parts that go with the commit. */
const PAGES_MAX = 24
const EMPTY = new Uint8Array(0)

type AppendInput = Input<'PutObject'>

/** `create` puts an object where none is. */
export function appendObject(
  ctx: Context,
  create: Handler<'PutObject'>,
  opaqueEtag: () => string,
): Handler<'PutObject'> {
  return async (input, call) => {
    const { bucket, key } = objectAddress(input)
    refuseUnsupported(input)
    const { value: bucketRow } = await ctx.buckets.read(bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, bucketRow)
    const before = await lookRow(ctx.metadata, bucket, 'object', key)
    checkAppend(input, bucketRow, before?.value)
    if (before === undefined || before.value.d === 1) {
      // If another is faster, what is there now is not what the client has seen.
      return create({ ...input, WriteOffsetBytes: undefined, IfNoneMatch: '*' }, call)
    }
    checkPutSize(ctx, input.Body?.size)
    const algorithm = before.value.k?.[0] ?? uploadAlgorithm(input.Body, input.ChecksumAlgorithm)
    refuseOtherMethod(input, before.value)
    const { sse } = before.value
    const sealing = sealingOnto(ctx, sse, customerKey(input))
    const taken =
      input.Body === undefined
        ? EMPTY
        : await input.Body.take(inlineMax(ctx, sealing), digestsFor(algorithm, false))
    const written = await writeContent(ctx, taken, call, input.Body?.size, sealing)
    const append = new Append(ctx, { input, written, algorithm, sealing, etag: opaqueEtag(), call })
    try {
      const version = await transact(ctx.metadata, bucket, async (tx) => {
        const made = await append.attempt(tx, bucket, key)
        const event = 's3:ObjectCreated:Put'
        const row = await ctx.buckets.inBucket(tx, bucket)
        await announce(ctx, tx, row, { event, bucket, key, version: made, call })
        return made
      })
      const output = answer(version)
      showEncryption(output, sse, input.SSECustomerKeyMD5)
      return output
    } catch (error) {
      await discardWritten(ctx, written, error)
      await append.takeBack(error)
      throw error
    }
  }
}

/** Throws InvalidRequest where versions are kept, and InvalidWriteOffset where the object does not end there. */
function checkAppend(
  { WriteOffsetBytes: offset }: AppendInput,
  bucket: BucketRow,
  head: VersionRow | undefined,
): void {
  const isThere = head !== undefined && head.d === undefined
  if (bucket.versioning === 'Enabled' || (isThere && head.v !== 'null')) {
    throw new S3Error('InvalidRequest', {
      message: 'Versions never change: objects of a bucket with versioning cannot be appended to.',
    })
  }
  const size = isThere ? head.s : 0
  if (offset === size) return
  throw new S3Error('InvalidWriteOffset', {
    fields: { WriteOffset: String(offset), ObjectSize: String(size) },
  })
}

/** An object keeps the encryption that it has. */
function refuseOtherMethod(
  { ServerSideEncryption: asked }: AppendInput,
  { sse }: VersionRow,
): void {
  if (asked === undefined || asked === METHODS[sse?.by ?? 'c']) return
  throw new S3Error('InvalidRequest', {
    message:
      'What is appended is encrypted as the object is: x-amz-server-side-encryption says otherwise.',
  })
}

const METHODS = { c: undefined, s3: 'AES256', kms: 'aws:kms' } as const

function answer(version: VersionRow): Output<'PutObject'> {
  const output: Output<'PutObject'> = { ETag: `"${version.e}"`, Size: version.s }
  addChecksum(output, version.k)
  return output
}

function tooManyParts(): S3Error {
  return new S3Error('InvalidRequest', {
    message:
      'An object of so many parts, or of parts under keys of their own, cannot be appended to: copy it first.',
  })
}

/** What is appended, written already. */
interface Appended {
  readonly input: AppendInput
  readonly written: Written
  readonly algorithm: ChecksumAlgorithm
  /** Undefined: the object is in clear. */
  readonly sealing: ReturnType<typeof sealingOnto>
  readonly etag: string
  readonly call: Pick<Call, 'signal'>
}

/** One request to append; what it writes on the way, it takes back where that comes to nothing. */
class Append {
  /** Blobs that the attempt under way has written, beside the payload's own. */
  #made: Written[] = []
  readonly #ctx: Context
  readonly #appended: Appended
  readonly #blobs: Blobs

  constructor(ctx: Context, appended: Appended) {
    this.#ctx = ctx
    this.#appended = appended
    this.#blobs = appended.sealing?.blobs ?? ctx.storage
  }

  /** After `error`, or before another attempt. */
  async takeBack(error: unknown): Promise<void> {
    for (const made of this.#made) await discardWritten(this.#ctx, made, error)
    this.#made = []
  }

  async attempt(tx: Tx, bucket: string, key: string): Promise<VersionRow> {
    const ctx = this.#ctx
    const { input, written, sealing, etag } = this.#appended
    await this.takeBack(undefined)
    const bucketRow = await ctx.buckets.inBucket(tx, bucket)
    const head = await tx.get('object', key)
    checkAppend(input, bucketRow, head?.value)
    checkWrite(input, key, head?.value)
    if (head === undefined) throw new S3Error('NoSuchKey', { fields: { Key: key } })
    // Another object by now: what was written is under a data key that is not its.
    if (head.value.sse?.key !== sealing?.stored.key) throw new S3Error('ConditionalRequestConflict')
    const { q: _q, v: _v, nq: _nq, older: _older, c: _c, k, ...kept } = head.value
    const size = head.value.s + written.size
    const draft: Mutable<VersionDraft> = { ...kept, t: ctx.clock.now(), s: size, e: etag }
    const checksum = this.#checksum(head.value.s, k)
    if (checksum !== undefined) draft.k = checksum
    const inline = Buffer.concat([head.bytes ?? EMPTY, written.bytes ?? EMPTY])
    if (sealing === undefined && inline.length === size && size <= ctx.options.inlineMaxBytes) {
      const bytes = size === 0 ? undefined : inline
      return pushVersion(ctx, tx, bucketRow, key, head, draft, bytes, head.value.q)
    }
    draft.c = { x: await this.#extents(tx, bucket, head) }
    return pushVersion(ctx, tx, bucketRow, key, head, draft, undefined, head.value.q)
  }

  /** Of the whole, where that follows from its halves. */
  #checksum(size: number, before: StoredChecksum | undefined): StoredChecksum | undefined {
    const { input, written, algorithm } = this.#appended
    const isCrc = algorithm === 'CRC32' || algorithm === 'CRC32C' || algorithm === 'CRC64NVME'
    if (!isCrc || before?.[0] !== algorithm || before[2] !== 'FULL_OBJECT') return undefined
    if (input.Body === undefined) return before
    const name: DigestName = algorithm
    return combineChecksums(algorithm, 'FULL_OBJECT', [
      { checksum: before[1], size },
      { checksum: input.Body.digest(name), size: written.size },
    ])
  }

  /** The extents of what is there, then those of what is new. */
  async #extents(tx: Tx, bucket: string, head: Row<VersionRow>): Promise<readonly Extent[]> {
    const { c: content } = head.value
    const { written, sealing } = this.#appended
    const extents: Extent[] = []
    if (content === undefined) {
      const bytes = head.bytes && sealing ? sealing.opening.inlined(head.bytes) : head.bytes
      if (bytes !== undefined) extents.push(...(await this.#store(bytes)))
    } else {
      if ((content.g?.length ?? 0) > PAGES_MAX) throw tooManyParts()
      await this.#refuseOtherKeys(bucket, content)
      for await (const extent of extentsOf(this.#ctx, bucket, content)) extents.push(extent)
      for (const [sort] of content.g ?? []) tx.delete('page', sort)
    }
    if (written.extents !== undefined) extents.push(...written.extents)
    else if (written.bytes !== undefined) extents.push(...(await this.#store(written.bytes)))
    return this.#fewer(tx, extents)
  }

  /** Parts that were copied may be under data keys of their own, which extents alone do not tell. */
  async #refuseOtherKeys(bucket: string, content: Content): Promise<void> {
    if (this.#appended.sealing === undefined) return
    for await (const { part } of placedParts(this.#ctx, bucket, content)) {
      if (part[4] !== undefined) throw tooManyParts()
    }
  }

  async #fewer(tx: Tx, extents: readonly Extent[]): Promise<readonly Extent[]> {
    if (extents.length <= EXTENTS_MAX) return extents
    const first = extents.slice(0, EXTENTS_MAX / 2)
    const last = extents.slice(EXTENTS_MAX / 2)
    const size = last.reduce((sum, [, start, end]) => sum + (end - start), 0)
    if (size > this.#ctx.options.putBytesMax) throw tooManyParts()
    const body = new ExtentsBody(
      this.#ctx.reading,
      () => this.#blobs,
      last,
      this.#appended.call.signal,
    )
    await body.openFirst()
    const whole = await this.#put(body, size)
    // The payload's own blob among them is garbage too, now that its bytes stand elsewhere; but not a
    // blob of which the first extents hold another piece.
    const held = new Set(first.map(([blob]) => blob))
    const free = last.filter(([blob]) => !held.has(blob))
    if (free.length > 0) tx.put('garbage', this.#ctx.ids.next(), { x: free })
    return [...first, ...whole]
  }

  #store(bytes: Uint8Array): Promise<readonly Extent[]> {
    return this.#put(bytes, bytes.length)
  }

  async #put(body: Parameters<Blobs['put']>[1], size: number): Promise<readonly Extent[]> {
    const id = this.#ctx.ids.next()
    await this.#blobs.put(id, body, { signal: this.#appended.call.signal, size })
    const extents: readonly Extent[] = [[id, 0, size]]
    this.#made.push({ size, extents })
    return extents
  }
}
