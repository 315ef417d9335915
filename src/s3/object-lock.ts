/** GetObjectRetention, PutObjectRetention, GetObjectLegalHold, PutObjectLegalHold: the lock of one version. */
import { S3Error } from '../api/error.ts'
import type { Handler, Input } from '../api/operations.ts'
import { changeVersion, type VersionInput } from './change-version.ts'
import type { Context } from './context.ts'
import { bypassAsked, checkFuture, checkRetention, endOf, noLock } from './lock.ts'
import { checkExpectedOwner, objectAddress } from './object-input.ts'
import { readVersion } from './object-read.ts'
import { lookRow, type StoredLock, type VersionRow } from './rows.ts'

export function getObjectRetention(ctx: Context): Handler<'GetObjectRetention'> {
  return async (input) => {
    const { r } = await readLocked(ctx, input)
    if (r === undefined) throw new S3Error('NoSuchObjectLockConfiguration')
    return { Retention: { Mode: r[0], RetainUntilDate: new Date(r[1]) } }
  }
}

export function putObjectRetention(ctx: Context): Handler<'PutObjectRetention'> {
  return async (input, call) => {
    const address = objectAddress(input)
    const r = askedRetention(input)
    await changeVersion(ctx, input, async (version, bucket) => {
      if (bucket.lock === undefined) throw noLock()
      const now = ctx.clock.now()
      if (r !== undefined) checkFuture(new Date(r[1]), now)
      const bypass = await bypassAsked(input.BypassGovernanceRetention, call, bucket, address)
      checkRetention(version, r, now, bypass)
      const { r: _before, ...rest } = version
      return r === undefined ? rest : { ...rest, r }
    })
    return {}
  }
}

/** Undefined: the document is empty, which takes the retention off. */
function askedRetention({ Retention: asked = {} }: Input<'PutObjectRetention'>): StoredLock['r'] {
  const { Mode: mode, RetainUntilDate: until } = asked
  if (asked.EventHold !== undefined || asked.EventHoldDuration !== undefined) {
    throw new S3Error('NotImplemented', { message: 'Event holds are not implemented here.' })
  }
  if (mode === undefined && until === undefined) return undefined
  if (mode === undefined || until === undefined) throw new S3Error('MalformedXML')
  return [mode, endOf(until.getTime())]
}

export function getObjectLegalHold(ctx: Context): Handler<'GetObjectLegalHold'> {
  return async (input) => {
    const { lh } = await readLocked(ctx, input)
    if (lh === undefined) throw new S3Error('NoSuchObjectLockConfiguration')
    return { LegalHold: { Status: lh === 1 ? 'ON' : 'OFF' } }
  }
}

export function putObjectLegalHold(ctx: Context): Handler<'PutObjectLegalHold'> {
  return async (input) => {
    const status = input.LegalHold?.Status
    if (status === undefined) throw new S3Error('MalformedXML')
    await changeVersion(ctx, input, (version, bucket) => {
      if (bucket.lock === undefined) throw noLock()
      return { ...version, lh: status === 'ON' ? 1 : 0 }
    })
    return {}
  }
}

async function readLocked(ctx: Context, input: VersionInput): Promise<VersionRow> {
  const address = objectAddress(input)
  const { value: bucket } = await ctx.buckets.read(address.bucket)
  checkExpectedOwner(input.ExpectedBucketOwner, bucket)
  if (bucket.lock === undefined) throw noLock()
  return (await readVersion(ctx, address, input.VersionId, lookRow)).value
}
