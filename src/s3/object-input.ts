/**
 * What the inputs of object operations have in common: the address, what we do not serve, the owner.
 *
 * A member that would change how an object is kept, and that nothing here carries out, is answered
 * with NotImplemented: to store the object as if it had not been said would be a lie.
 */
import type { StorageClass } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import { KEY_BYTES_MAX } from '../api/limits.ts'
import type { Call } from '../api/operations.ts'
import type { BucketRow } from './rows.ts'

export interface Address {
  readonly bucket: string
  readonly key: string
}

/** Bucket and key of an input. Rejects a key that is missing, too long, or not Unicode. */
export function objectAddress(input: {
  readonly Bucket: string | undefined
  readonly Key: string | undefined
}): Address {
  if (input.Bucket === undefined || input.Key === undefined) {
    throw new S3Error('InvalidRequest', { message: 'Bucket and Key are required' })
  }
  checkKey(input.Key)
  return { bucket: input.Bucket, key: input.Key }
}

/** No UTF-16 unit takes more bytes of UTF-8 than this. */
const UTF8_BYTES_PER_UNIT_MAX = 3

/** Rejects an empty key, one over 1024 bytes (KeyTooLongError), and one with lone surrogates. */
export function checkKey(key: string): void {
  if (key.length * UTF8_BYTES_PER_UNIT_MAX > KEY_BYTES_MAX) {
    const size = Buffer.byteLength(key)
    if (size > KEY_BYTES_MAX) {
      throw new S3Error('KeyTooLongError', {
        fields: { Size: String(size), MaxSizeAllowed: String(KEY_BYTES_MAX) },
      })
    }
  }
  if (key === '') throw new S3Error('UserKeyMustBeSpecified', { message: 'The key is empty' })
  if (!key.isWellFormed()) throw new S3Error('InvalidURI')
}

/** Members that nothing here carries out, and the header that a client knows each by. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  ObjectLockEventHold: 'x-amz-object-lock-event-hold',
  ObjectLockEventHoldDurationDays: 'x-amz-object-lock-event-hold-duration-days',
  ObjectLockEventHoldDurationYears: 'x-amz-object-lock-event-hold-duration-years',
}

/** Rejects an input that asks for what is not carried out, with NotImplemented and the header's name. */
export function refuseUnsupported(input: object): void {
  for (const member in input) {
    const header = UNSUPPORTED[member]
    if (header === undefined || (input as Record<string, unknown>)[member] === undefined) continue
    throw new S3Error('NotImplemented', {
      message: `A header you provided implies functionality that is not implemented: ${header}`,
      fields: { Header: header },
    })
  }
}

/** Rejects with AccessDenied where the client expects the bucket to be somebody else's. */
export function checkExpectedOwner(expected: string | undefined, bucket: BucketRow): void {
  if (expected !== undefined && expected !== bucket.owner[0]) throw new S3Error('AccessDenied')
}

/**
 * Who will own what this call writes: the requester; but the bucket's owner where the requester has no
 * name, where the bucket wants it so, or where nobody but its owner could write into it: then whoever
 * does stands in for the owner.
 */
export function ownerOf(
  { requester }: Call,
  bucket: BucketRow,
): readonly [id: string, displayName: string] {
  const isOwners =
    requester === undefined ||
    bucket.shared === undefined ||
    bucket.ownership === 'BucketOwnerEnforced'
  return isOwners ? bucket.owner : [requester.id, requester.displayName]
}

/** The storage class to keep: none where it is STANDARD. All classes are kept alike; clients see the one they named. */
export function storedClass(storageClass: StorageClass | undefined): StorageClass | undefined {
  return storageClass === 'STANDARD' ? undefined : storageClass
}
