/**
 * GetObject and HeadObject.
 *
 * A reader gets one version whole or an error, whatever is written meanwhile: the row names blobs
 * that never change, and the sweep leaves them for a while after the row is gone. Should they be
 * gone all the same, the row is read again before anything was answered.
 */
import type { Rev } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import type { Call, Handler, Input, Output } from '../api/operations.ts'
import { BlobMissing, StoreUnavailable } from '../lib/store-error.ts'
import { checkRead } from './condition.ts'
import { PageMissing, readContent } from './content.ts'
import type { Context } from './context.ts'
import { ExtentsBody } from './extents-body.ts'
import { customerKey } from './customer-key.ts'
import { openingOf } from './encryption.ts'
import { Contended } from './transact.ts'
import { type Address, checkExpectedOwner, objectAddress } from './object-input.ts'
import { expirationOf } from './expiration.ts'
import { planRead, readVersion, showGuarded, showObject } from './object-read.ts'
import { checkReadable, restoreOf } from './restore-object.ts'
import { type BucketRow, lookRow, readRow, type VersionRow } from './rows.ts'

/** Times that a version may vanish between its row and its bytes before the reader is sent away. */
const REREADS_MAX = 8

export function getObject(ctx: Context): Handler<'GetObject'> {
  return async (input, call) => {
    let gone: Rev | undefined
    for (let reads = 0; ; reads++) {
      try {
        return await read(ctx, input, call, gone)
      } catch (error) {
        if (!(error instanceof Vanished)) throw error
        if (reads === REREADS_MAX) {
          throw new Contended('the object was replaced faster than it could be opened', {
            cause: error,
          })
        }
        gone = error.rev
      }
    }
  }
}

/** The bytes of a row were not there; at once again, for the row may have been replaced. */
class Vanished extends Error {
  override readonly name: string = 'Vanished'
  readonly rev: Rev

  constructor(rev: Rev, cause: unknown) {
    super('the bytes of a version are missing', { cause })
    this.rev = rev
  }
}

async function read(
  ctx: Context,
  input: Input<'GetObject'>,
  call: Call,
  gone: Rev | undefined,
): Promise<Output<'GetObject'>> {
  const address = objectAddress(input)
  refuseMethod(input)
  const row = await readVersion(ctx, address, input.VersionId, readRow)
  const version = row.value
  const known = ctx.buckets.read(address.bucket)
  const { value: bucket } = known instanceof Promise ? await known : known
  checkExpectedOwner(input.ExpectedBucketOwner, bucket)
  checkRead(input, version)
  checkReadable(ctx, version)
  try {
    const planned = planRead(ctx, address.bucket, version, input)
    const plan = planned instanceof Promise ? await planned : planned
    const opening = openingOf(ctx, version.sse, customerKey(input))
    const output: Output<'GetObject'> = {}
    showObject(output, bucket, version, plan, input)
    if (version.rs !== undefined) output.Restore = restoreOf(ctx, version)
    const guarded = showGuarded(output, version, call, address)
    if (guarded !== undefined) await guarded
    const expiration = expires(ctx, input, bucket, address, version)
    if (expiration !== undefined) output.Expiration = await expiration
    const body = readContent(ctx, address.bucket, version.c, row.bytes, plan, call, opening)
    output.Body = body instanceof Uint8Array ? body : await body
    if (output.Body instanceof ExtentsBody)
      output.Body.explain = (missing) =>
        whyMissing(ctx, address, input.VersionId, version.q, missing)
    return output
  } catch (error) {
    const isGone = error instanceof BlobMissing || error instanceof PageMissing
    if (!isGone || row.rev === gone) throw error
    throw new Vanished(row.rev, error)
  }
}

/** Bytes that go away while they are sent are lost, but for those of a version that has been replaced or deleted. */
async function whyMissing(
  ctx: Context,
  address: Address,
  versionId: string | undefined,
  q: string,
  missing: BlobMissing,
): Promise<Error> {
  try {
    const now = await readVersion(ctx, address, versionId, lookRow)
    if (now.value.q === q) return missing
  } catch (error) {
    if (!(error instanceof S3Error)) return missing
  }
  return new Superseded('the object was replaced or deleted, longer ago than sweep.grace', {
    cause: missing,
  })
}

/** The answer breaks off: its version is no more, and a sweep has taken its bytes. Nothing is lost. */
class Superseded extends StoreUnavailable {
  override readonly name: string = 'Superseded'
}

/** A reader does not choose how an object is encrypted; S3 refuses who seems to believe so. */
function refuseMethod(input: object): void {
  const { ServerSideEncryption: method }: { readonly ServerSideEncryption?: string } = input
  if (method === undefined) return
  throw new S3Error('InvalidArgument', {
    message: 'x-amz-server-side-encryption header is not supported for this operation.',
    fields: {
      ArgumentName: 'x-amz-server-side-encryption',
      ArgumentValue: method,
    },
  })
}

export function headObject(ctx: Context): Handler<'HeadObject'> {
  return async (input, call) => {
    const address = objectAddress(input)
    refuseMethod(input)
    const { value: version } = await readVersion(ctx, address, input.VersionId, lookRow)
    const known = ctx.buckets.read(address.bucket)
    const { value: bucket } = known instanceof Promise ? await known : known
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    checkRead(input, version)
    const planned = planRead(ctx, address.bucket, version, input)
    const plan = planned instanceof Promise ? await planned : planned
    openingOf(ctx, version.sse, customerKey(input))
    const output: Output<'HeadObject'> = {}
    showObject(output, bucket, version, plan, input)
    if (version.rs !== undefined) output.Restore = restoreOf(ctx, version)
    const guarded = showGuarded(output, version, call, address)
    if (guarded !== undefined) await guarded
    const expiration = expires(ctx, input, bucket, address, version)
    if (expiration !== undefined) output.Expiration = await expiration
    return output
  }
}

/** Only of the newest version: an older one has times of its own. */
function expires(
  ctx: Context,
  { VersionId: versionId }: { readonly VersionId?: string | undefined },
  bucket: BucketRow,
  { bucket: name, key }: Address,
  version: VersionRow,
): Promise<string | undefined> | undefined {
  return versionId === undefined ? expirationOf(ctx, bucket, name, key, version) : undefined
}
