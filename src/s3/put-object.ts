/** PutObject: the bytes first, durable, then the one commit that makes them the key's newest version. */
import { digestOf } from '../lib/digest.ts'
import { S3Error } from '../api/error.ts'
import type { Handler, Input, Output } from '../api/operations.ts'
import { announce } from './announce.ts'
import { appendObject } from './append-object.ts'
import { addChecksum, digestsFor, uploadAlgorithm } from './checksum.ts'
import { checkWrite } from './condition.ts'
import { checkPutSize, discardWritten, inlineMax, writeContent } from './content.ts'
import type { Context } from './context.ts'
import { demand } from './demand.ts'
import { sealingWith, showEncryption } from './encryption.ts'
import { wantedEncryption } from './encryption-request.ts'
import { expirationOf } from './expiration.ts'
import { storedHeaders, storedMetadata } from './headers.ts'
import { askedLock, namesLock, withLock } from './lock.ts'
import {
  checkExpectedOwner,
  objectAddress,
  refuseUnsupported,
  storedClass,
} from './object-input.ts'
import { possess } from './ownership.ts'
import { demandReplica, saysReplica } from './replica-request.ts'
import type { BucketRow, VersionRow } from './rows.ts'
import { tagsFromHeader } from './tags.ts'
import { transact, type Tx } from './transact.ts'
import { type Mutable, own, pushVersion, writtenId, type VersionDraft } from './version.ts'

const EMPTY = new Uint8Array(0)

export function putObject(ctx: Context): Handler<'PutObject'> {
  const put = putWhole(ctx)
  const append = appendObject(ctx, put, () => opaqueEtag(ctx))
  return (input, call) => (input.WriteOffsetBytes === undefined ? put : append)(input, call)
}

function putWhole(ctx: Context): Handler<'PutObject'> {
  const md5 = ctx.options.etag === 'md5'
  return async (input, call) => {
    const { bucket, key } = objectAddress(input)
    refuseUnsupported(input)
    const headers = storedHeaders(input)
    const metadata = storedMetadata(input.Metadata)
    const payload = input.Body
    checkPutSize(ctx, payload?.size)
    const algorithm = uploadAlgorithm(payload, input.ChecksumAlgorithm)
    // Before the body is read: nobody should send gigabytes to a bucket that is not there.
    const { value: before } = await ctx.buckets.read(bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, before)
    const { owner, acl } = possess(ctx, call, before, input)
    const tags = tagsFromHeader(ctx, input.Tagging)
    if (tags !== undefined) await demand(call, 's3:PutObjectTagging', { bucket, key })
    const isReplica = saysReplica(input)
    if (isReplica) await demandReplica(call, 's3:ReplicateObject', { bucket, key })
    const locks = namesLock(input)
    if (locks) checkHasDigest(input)
    const lock = locks
      ? await askedLock(input, call, before, { bucket, key }, ctx.clock.now())
      : undefined

    const asked = wantedEncryption(ctx, input, before)
    const wanted = asked instanceof Promise ? await asked : asked
    const sealing = wanted === undefined ? undefined : sealingWith(ctx, wanted)

    const digests = digestsFor(algorithm, md5)
    const taken =
      payload === undefined ? EMPTY : await payload.take(inlineMax(ctx, sealing), digests)
    const written = await writeContent(ctx, taken, call, payload?.size, sealing)
    try {
      const digest = (name: (typeof digests)[number]): string =>
        payload === undefined ? digestOf(name, EMPTY) : payload.digest(name)
      const draft: Mutable<VersionDraft> = {
        t: 0,
        s: written.size,
        e: md5 ? digest('md5') : opaqueEtag(ctx),
        k: [algorithm, digest(algorithm), 'FULL_OBJECT'],
      }
      own(draft, owner, before)
      if (written.extents !== undefined) draft.c = { x: written.extents }
      if (headers !== undefined) draft.h = headers
      if (metadata !== undefined) draft.m = metadata
      if (acl !== undefined) draft.acl = acl
      if (sealing !== undefined) {
        draft.sse = sealing.stored
        draft.e = sealing.etag(draft.e)
      }
      const sc = storedClass(input.StorageClass)
      if (sc !== undefined) draft.sc = sc
      if (tags !== undefined) draft.tg = tags
      if (isReplica) draft.rp = 'REPLICA'

      let bucketRow: BucketRow = before
      const version = await transact(ctx.metadata, bucket, async (tx: Tx): Promise<VersionRow> => {
        bucketRow = await ctx.buckets.inBucket(tx, bucket)
        // The bytes of what is there are only wanted where it lives on as an older version.
        const head = await (bucketRow.versioning === undefined
          ? tx.look('object', key)
          : tx.get('object', key))
        checkWrite(input, key, head?.value)
        draft.t = ctx.clock.now()
        const locked = withLock(draft, bucketRow, lock)
        const made = await pushVersion(ctx, tx, bucketRow, key, head, locked, written.bytes)
        const told = announce(ctx, tx, bucketRow, {
          event: 's3:ObjectCreated:Put',
          bucket,
          key,
          version: made,
          call,
        })
        if (told !== undefined) await told
        return made
      })
      const output = answer(bucketRow, version)
      const expiration = expirationOf(ctx, bucketRow, bucket, key, version)
      if (expiration !== undefined) output.Expiration = await expiration
      showEncryption(output, version.sse, wanted?.customer?.md5)
      return output
    } catch (error) {
      await discardWritten(ctx, written, error)
      throw error
    }
  }
}

/** What cannot be taken away again must be known to be what the client meant. */
function checkHasDigest(input: Input<'PutObject'>): void {
  if (input.ContentMD5 !== undefined || input.Body?.claimed !== undefined) return
  throw new S3Error('InvalidRequest', {
    message:
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
  })
}

function answer(bucket: BucketRow, version: VersionRow): Output<'PutObject'> {
  const output: Output<'PutObject'> = { ETag: `"${version.e}"` }
  addChecksum(output, version.k)
  const versionId = writtenId(bucket, version)
  if (versionId !== undefined) output.VersionId = versionId
  return output
}

/** Unique, and by its `-0` no client takes it for an MD5: a multipart ETag never counts no parts. */
export function opaqueEtag(ctx: Context): string {
  return `${digestOf('md5', Buffer.from(ctx.ids.next()))}-0`
}
