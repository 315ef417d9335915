/**
 * Object lock: what keeps a version from being deleted or replaced, and for how long.
 *
 * Every way in which a version goes for good leads through `checkUnlocked` (version.ts calls it), and
 * where nobody says that governance may be bypassed, it may not: a path that was forgotten refuses.
 */
import { S3Error } from '../api/error.ts'
import type { Call } from '../api/operations.ts'
import { demand } from './demand.ts'
import type { Address } from './object-input.ts'
import type { BucketLock, BucketRow, LockMode, StoredLock, VersionRow } from './rows.ts'

const DAY_MS = 86_400_000

/** The members with which an upload asks for a lock. */
export interface LockInput {
  readonly ObjectLockMode?: LockMode | undefined
  readonly ObjectLockRetainUntilDate?: Date | undefined
  readonly ObjectLockLegalHoldStatus?: 'ON' | 'OFF' | undefined
}

/** The members in which a read tells of it. */
export interface LockOutput {
  ObjectLockMode?: LockMode | undefined
  ObjectLockRetainUntilDate?: Date | undefined
  ObjectLockLegalHoldStatus?: 'ON' | 'OFF' | undefined
}

/** Whether an upload's headers say anything of a lock. */
export function namesLock(input: LockInput): boolean {
  return (
    input.ObjectLockMode !== undefined ||
    input.ObjectLockRetainUntilDate !== undefined ||
    input.ObjectLockLegalHoldStatus !== undefined
  )
}

/**
 * The lock that an upload's headers ask for; undefined where they name none. Rejects with
 * InvalidArgument (a mode without a date, a date that has passed), with InvalidRequest in a bucket
 * without object lock, and with AccessDenied for who may not.
 */
export async function askedLock(
  input: LockInput,
  call: Call,
  bucket: BucketRow,
  address: Address,
  now: number,
): Promise<StoredLock | undefined> {
  if (!namesLock(input)) return undefined
  const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until } = input
  const hold = input.ObjectLockLegalHoldStatus
  if ((mode === undefined) !== (until === undefined)) {
    throw new S3Error('InvalidArgument', {
      message:
        'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
      fields: {
        ArgumentName:
          mode === undefined ? 'x-amz-object-lock-mode' : 'x-amz-object-lock-retain-until-date',
      },
    })
  }
  if (bucket.lock === undefined) throw noLock()
  if (mode !== undefined && until !== undefined) {
    checkFuture(until, now)
    await demand(call, 's3:PutObjectRetention', address)
  }
  if (hold !== undefined) await demand(call, 's3:PutObjectLegalHold', address)
  return {
    ...(mode !== undefined &&
      until !== undefined && { r: [mode, endOf(until.getTime())] as const }),
    ...(hold !== undefined && { lh: hold === 'ON' ? (1 as const) : (0 as const) }),
  }
}

/**
 * A draft with the lock of a new version: the one that was asked for, and the bucket's default where no
 * retention was. For the body of a transaction. Throws InvalidRequest in a bucket without object lock.
 */
export function withLock<T extends StoredLock & { readonly t: number }>(
  draft: T,
  bucket: BucketRow,
  asked: StoredLock | undefined,
): T {
  if (bucket.lock === undefined) {
    if (asked !== undefined) throw noLock()
    return draft
  }
  const r = asked?.r ?? defaultRetention(bucket.lock, draft.t)
  return { ...draft, ...asked, ...(r !== undefined && { r }) }
}

function defaultRetention(lock: BucketLock, now: number): StoredLock['r'] {
  if (lock.mode === undefined) return undefined
  if (lock.days !== undefined) return [lock.mode, endOf(now + lock.days * DAY_MS)]
  const until = new Date(now)
  until.setUTCFullYear(until.getUTCFullYear() + (lock.years ?? 0))
  return [lock.mode, endOf(until.getTime())]
}

/** Refuses what needs a bucket with object lock. */
export function noLock(): S3Error {
  return new S3Error('InvalidRequest', { message: 'Bucket is missing Object Lock Configuration' })
}

/** A retention ends with a whole second, as it is told: who waits until then must find it over. */
export function endOf(untilMs: number): number {
  return Math.ceil(untilMs / 1000) * 1000
}

export function checkFuture(until: Date, now: number): void {
  if (until.getTime() > now) return
  throw new S3Error('InvalidArgument', {
    message: 'The retain until date must be in the future!',
    fields: {
      ArgumentName: 'x-amz-object-lock-retain-until-date',
      ArgumentValue: until.toISOString(),
    },
  })
}

/**
 * Whether a request may bypass governance: it says so, and it may. Rejects with AccessDenied for who
 * may not. Without object lock there is nothing to bypass, and clients that empty buckets say it of all.
 */
export async function bypassAsked(
  asked: boolean | undefined,
  call: Call,
  bucket: BucketRow,
  resource: Address & { readonly versionId?: string },
): Promise<boolean> {
  if (asked !== true || bucket.lock === undefined) return false
  await demand(call, 's3:BypassGovernanceRetention', resource)
  return true
}

/** Throws AccessDenied where the version may not go yet. */
export function checkUnlocked(version: VersionRow, now: number, bypass: boolean): void {
  if (version.lh === undefined && version.r === undefined) return
  if (version.lh === 1 || isRetained(version, now, bypass)) throw locked()
}

function isRetained({ r }: StoredLock, now: number, bypass: boolean): boolean {
  return r !== undefined && r[1] > now && !(bypass && r[0] === 'GOVERNANCE')
}

/** Refuses a change of retention that would let a version go sooner: it may only be prolonged, unless governance is bypassed. */
export function checkRetention(
  before: StoredLock,
  after: StoredLock['r'],
  now: number,
  bypass: boolean,
): void {
  if (!isRetained(before, now, bypass)) return
  const [mode, until] = before.r!
  if (after === undefined || after[0] !== mode || after[1] < until) throw locked()
}

function locked(): S3Error {
  return new S3Error('AccessDenied', {
    message: 'Access Denied because object protected by object lock.',
  })
}

/** Tells of a version's lock, as far as the requester may know of it. */
export async function showLock(
  output: LockOutput,
  version: StoredLock,
  call: Call,
  address: Address,
): Promise<void> {
  const { r, lh } = version
  if (r !== undefined && (await call.access.may('s3:GetObjectRetention', address))) {
    output.ObjectLockMode = r[0]
    output.ObjectLockRetainUntilDate = new Date(r[1])
  }
  if (lh !== undefined && (await call.access.may('s3:GetObjectLegalHold', address))) {
    output.ObjectLockLegalHoldStatus = lh === 1 ? 'ON' : 'OFF'
  }
}
