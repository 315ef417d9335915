/**
 * The keys that conditions may ask for (Service Authorization Reference, S3; IAM, "Global condition
 * context keys"), and what a request says under each.
 *
 * A request is read here as its parser reads it: of a header or parameter that is there twice the same
 * value counts for both. Nothing but this table gives a key a value, so that no request can bring one.
 */
import { contextKey } from './policy-pattern.ts'

/** Keys that speak of a header. */
const HEADER_KEYS = [
  'x-amz-acl',
  'x-amz-content-sha256',
  'x-amz-copy-source',
  'x-amz-grant-full-control',
  'x-amz-grant-read',
  'x-amz-grant-read-acp',
  'x-amz-grant-write',
  'x-amz-grant-write-acp',
  'x-amz-metadata-directive',
  'x-amz-object-ownership',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
] as const

/** Of S3's own keys; header to key. */
export const KEY_OF_HEADER: ReadonlyMap<string, string> = new Map(
  HEADER_KEYS.map((header) => [`s3:${header}`, header]),
)

const S3_KEYS: ReadonlySet<string> = new Set([
  ...KEY_OF_HEADER.keys(),
  's3:authtype',
  's3:creationdate',
  's3:dataaccesspointaccount',
  's3:dataaccesspointarn',
  's3:delimiter',
  's3:destinationregion',
  's3:if-match',
  's3:if-none-match',
  's3:locationconstraint',
  's3:max-keys',
  's3:object-lock-legal-hold',
  's3:object-lock-mode',
  's3:object-lock-remaining-retention-days',
  's3:object-lock-retain-until-date',
  's3:objectcreationoperation',
  's3:prefix',
  's3:requestobjecttagkeys',
  's3:resourceaccount',
  's3:signatureage',
  's3:signatureversion',
  's3:tlsversion',
  's3:versionid',
])

const TAG_KEYS = ['s3:existingobjecttag/', 's3:requestobjecttag/', 's3:buckettag/']

/** Whether a bucket's policy may ask for this key. */
export function isConditionKey(key: string): boolean {
  const normal = contextKey(key)
  if (normal.startsWith('aws:')) return /^aws:[a-z0-9]+(\/.+)?$/i.test(key)
  return S3_KEYS.has(normal) || TAG_KEYS.some((tags) => normal.startsWith(tags))
}
