/** A version as a line of an inventory report (S3 User Guide, "Amazon S3 Inventory", list of fields): CSV, every field in quotes. */
import type { InventoryOptionalField } from '@aws-sdk/client-s3'
import type { BucketRow, StoredAcl, VersionRow } from './rows.ts'
import { publicId, versionOwner } from './version.ts'

export interface Listed {
  readonly bucketName: string
  readonly bucket: BucketRow
  readonly key: string
  readonly version: VersionRow
  readonly isLatest: boolean
  /** When a lifecycle rule will expire it, epoch ms. */
  readonly expires: number | undefined
}

type Field = (listed: Listed) => string

/** In the order in which S3 writes them. */
const OPTIONAL: Readonly<Record<InventoryOptionalField, Field>> = {
  Size: ({ version }) => (version.d === 1 ? '' : String(version.s)),
  LastModifiedDate: ({ version }) => new Date(version.t).toISOString(),
  ETag: ({ version }) => version.e,
  StorageClass: ({ version }) => (version.d === 1 ? '' : (version.sc ?? 'STANDARD')),
  IsMultipartUploaded: ({ version }) => (version.d === 1 ? '' : String(version.c?.n !== undefined)),
  ReplicationStatus: ({ version }) => version.rp ?? '',
  EncryptionStatus: ({ version }) => (version.d === 1 ? '' : encryptionOf(version)),
  ObjectLockRetainUntilDate: ({ version: { r } }) => (r ? new Date(r[1]).toISOString() : ''),
  ObjectLockMode: ({ version: { r } }) => r?.[0] ?? '',
  ObjectLockLegalHoldStatus: ({ version: { lh } }) =>
    lh === undefined ? '' : lh === 1 ? 'On' : 'Off',
  ObjectLockEventHoldStatus: () => '',
  ObjectLockEventHoldDuration: () => '',
  IntelligentTieringAccessTier: () => '',
  IntelligentTieringReferenceDate: () => '',
  BucketKeyStatus: ({ version: { sse } }) =>
    sse?.by === 'kms' ? (sse.bk === 1 ? 'ENABLED' : 'DISABLED') : '',
  ChecksumAlgorithm: ({ version: { k } }) => k?.[0] ?? '',
  ObjectAccessControlList: ({ version, bucket }) =>
    version.d === 1 ? '' : listOf(version.acl, versionOwner(version, bucket)[0]),
  ObjectOwner: ({ version, bucket }) => versionOwner(version, bucket)[0],
  LifecycleExpirationDate: ({ expires }) =>
    expires === undefined ? '' : new Date(expires).toISOString(),
}

function encryptionOf({ sse }: VersionRow): string {
  if (sse === undefined) return 'NOT-SSE'
  return sse.by === 'c' ? 'SSE-C' : sse.by === 's3' ? 'SSE-S3' : 'SSE-KMS'
}

/** Base64 of S3's own JSON for it. */
function listOf(acl: StoredAcl | undefined, owner: string): string {
  const kept = acl?.grants ?? [['FULL_CONTROL', 'id', owner] as const]
  const grants = kept.map(([permission, kind, who]) => ({
    ...(kind === 'uri' ? { uri: who, type: 'Group' } : { canonicalId: who, type: 'CanonicalUser' }),
    permission,
  }))
  const list = { version: '2022-11-10', status: 'AVAILABLE', grants }
  return Buffer.from(JSON.stringify(list)).toString('base64')
}

/** Of a report over all versions. */
const OF_VERSIONS: readonly (readonly [name: string, field: Field])[] = [
  ['VersionId', ({ version }) => publicId(version)],
  ['IsLatest', ({ isLatest }) => String(isLatest)],
  ['IsDeleteMarker', ({ version }) => String(version.d === 1)],
]

export interface LineWriter {
  /** `Bucket, Key, Size`: the names of the columns, as the manifest tells them. */
  readonly schema: string
  line(listed: Listed): string
}

export function lineWriter(
  isOfVersions: boolean,
  wanted: readonly InventoryOptionalField[],
): LineWriter {
  const asked = new Set<string>(wanted)
  const fields: readonly (readonly [string, Field])[] = [
    ['Bucket', ({ bucketName }) => bucketName],
    // As forms write it, so that it stands in a line whatever it holds.
    ['Key', ({ key }) => encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/')],
    ...(isOfVersions ? OF_VERSIONS : []),
    ...Object.entries(OPTIONAL).filter(([name]) => asked.has(name)),
  ]
  return {
    schema: fields.map(([name]) => name).join(', '),
    line: (listed) =>
      `${fields.map(([, field]) => `"${field(listed).replaceAll('"', '""')}"`).join(',')}\n`,
  }
}
