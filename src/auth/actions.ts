/**
 * Which rights an operation needs, by IAM's names (Service Authorization Reference, "Actions, resources,
 * and condition keys for Amazon S3"), and which permission of an access control list gives them.
 */
import type { OperationName } from '../api/operations.ts'

/**
 * `bucket`, `key`: the right is asked for that. `version`: instead, where the request names a version.
 * `free`: nothing is asked before the handler, which asks for each key by itself, or shows each
 * requester what is theirs.
 */
export interface Needs {
  readonly on: 'root' | 'bucket' | 'key'
  readonly action: string
  readonly version: string
  readonly isFree: boolean
  /** Further rights to the same. */
  readonly also: readonly string[]
}

const NONE: readonly string[] = []

function needs(on: Needs['on'], action: string, version = action): Needs {
  return { on, action, version, isFree: false, also: NONE }
}

const root = (action: string): Needs => needs('root', action)
const bucket = (action: string): Needs => needs('bucket', action)
const key = (action: string, version?: string): Needs => needs('key', action, version)
const free = (on: Needs['on'], action: string): Needs => ({ ...needs(on, action), isFree: true })

/** Every operation of the model has its line: one that is forgotten does not compile. */
export const NEEDS: Readonly<Record<OperationName, Needs>> = {
  AbortMultipartUpload: key('s3:AbortMultipartUpload'),
  CompleteMultipartUpload: key('s3:PutObject'),
  CopyObject: key('s3:PutObject'),
  CreateBucket: root('s3:CreateBucket'),
  CreateBucketMetadataConfiguration: bucket('s3:CreateBucketMetadataTableConfiguration'),
  CreateBucketMetadataTableConfiguration: bucket('s3:CreateBucketMetadataTableConfiguration'),
  CreateMultipartUpload: key('s3:PutObject'),
  CreateSession: bucket('s3express:CreateSession'),
  DeleteBucket: bucket('s3:DeleteBucket'),
  DeleteBucketAnalyticsConfiguration: bucket('s3:PutAnalyticsConfiguration'),
  DeleteBucketCors: bucket('s3:PutBucketCORS'),
  DeleteBucketEncryption: bucket('s3:PutEncryptionConfiguration'),
  DeleteBucketIntelligentTieringConfiguration: bucket('s3:PutIntelligentTieringConfiguration'),
  DeleteBucketInventoryConfiguration: bucket('s3:PutInventoryConfiguration'),
  DeleteBucketLifecycle: bucket('s3:PutLifecycleConfiguration'),
  DeleteBucketMetadataConfiguration: bucket('s3:DeleteBucketMetadataTableConfiguration'),
  DeleteBucketMetadataTableConfiguration: bucket('s3:DeleteBucketMetadataTableConfiguration'),
  DeleteBucketMetricsConfiguration: bucket('s3:PutMetricsConfiguration'),
  DeleteBucketOwnershipControls: bucket('s3:PutBucketOwnershipControls'),
  DeleteBucketPolicy: bucket('s3:DeleteBucketPolicy'),
  DeleteBucketReplication: bucket('s3:PutReplicationConfiguration'),
  DeleteBucketTagging: bucket('s3:PutBucketTagging'),
  DeleteBucketWebsite: bucket('s3:DeleteBucketWebsite'),
  DeleteObject: key('s3:DeleteObject', 's3:DeleteObjectVersion'),
  DeleteObjectAnnotation: key('s3:DeleteObjectAnnotation', 's3:DeleteObjectVersionAnnotation'),
  DeleteObjectTagging: key('s3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging'),
  DeleteObjects: free('bucket', 's3:DeleteObject'),
  DeletePublicAccessBlock: bucket('s3:PutBucketPublicAccessBlock'),
  GetBucketAbac: bucket('s3:GetBucketAbac'),
  GetBucketAccelerateConfiguration: bucket('s3:GetAccelerateConfiguration'),
  GetBucketAcl: bucket('s3:GetBucketAcl'),
  GetBucketAnalyticsConfiguration: bucket('s3:GetAnalyticsConfiguration'),
  GetBucketCors: bucket('s3:GetBucketCORS'),
  GetBucketEncryption: bucket('s3:GetEncryptionConfiguration'),
  GetBucketIntelligentTieringConfiguration: bucket('s3:GetIntelligentTieringConfiguration'),
  GetBucketInventoryConfiguration: bucket('s3:GetInventoryConfiguration'),
  GetBucketLifecycleConfiguration: bucket('s3:GetLifecycleConfiguration'),
  GetBucketLocation: bucket('s3:GetBucketLocation'),
  GetBucketLogging: bucket('s3:GetBucketLogging'),
  GetBucketMetadataConfiguration: bucket('s3:GetBucketMetadataTableConfiguration'),
  GetBucketMetadataTableConfiguration: bucket('s3:GetBucketMetadataTableConfiguration'),
  GetBucketMetricsConfiguration: bucket('s3:GetMetricsConfiguration'),
  GetBucketNotificationConfiguration: bucket('s3:GetBucketNotification'),
  GetBucketOwnershipControls: bucket('s3:GetBucketOwnershipControls'),
  GetBucketPolicy: bucket('s3:GetBucketPolicy'),
  GetBucketPolicyStatus: bucket('s3:GetBucketPolicyStatus'),
  GetBucketReplication: bucket('s3:GetReplicationConfiguration'),
  GetBucketRequestPayment: bucket('s3:GetBucketRequestPayment'),
  GetBucketTagging: bucket('s3:GetBucketTagging'),
  GetBucketVersioning: bucket('s3:GetBucketVersioning'),
  GetBucketWebsite: bucket('s3:GetBucketWebsite'),
  GetObject: key('s3:GetObject', 's3:GetObjectVersion'),
  GetObjectAcl: key('s3:GetObjectAcl', 's3:GetObjectVersionAcl'),
  GetObjectAnnotation: key('s3:GetObjectAnnotation', 's3:GetObjectVersionAnnotation'),
  GetObjectAttributes: {
    ...key('s3:GetObjectAttributes', 's3:GetObjectVersionAttributes'),
    // Beside it AWS wants the right to the object; of a version the one above says as much.
    also: ['s3:GetObject'],
  },
  GetObjectLegalHold: key('s3:GetObjectLegalHold'),
  GetObjectLockConfiguration: bucket('s3:GetBucketObjectLockConfiguration'),
  GetObjectRetention: key('s3:GetObjectRetention'),
  GetObjectTagging: key('s3:GetObjectTagging', 's3:GetObjectVersionTagging'),
  GetObjectTorrent: key('s3:GetObjectTorrent', 's3:GetObjectVersionTorrent'),
  GetPublicAccessBlock: bucket('s3:GetBucketPublicAccessBlock'),
  HeadBucket: bucket('s3:ListBucket'),
  HeadObject: key('s3:GetObject', 's3:GetObjectVersion'),
  ListBucketAnalyticsConfigurations: bucket('s3:GetAnalyticsConfiguration'),
  ListBucketIntelligentTieringConfigurations: bucket('s3:GetIntelligentTieringConfiguration'),
  ListBucketInventoryConfigurations: bucket('s3:GetInventoryConfiguration'),
  ListBucketMetricsConfigurations: bucket('s3:GetMetricsConfiguration'),
  ListBuckets: free('root', 's3:ListAllMyBuckets'),
  ListDirectoryBuckets: root('s3express:ListAllMyDirectoryBuckets'),
  ListMultipartUploads: bucket('s3:ListBucketMultipartUploads'),
  ListObjectAnnotations: key('s3:ListObjectAnnotations', 's3:ListObjectVersionAnnotations'),
  ListObjectVersions: bucket('s3:ListBucketVersions'),
  ListObjects: bucket('s3:ListBucket'),
  ListObjectsV2: bucket('s3:ListBucket'),
  ListParts: key('s3:ListMultipartUploadParts'),
  PutBucketAbac: bucket('s3:PutBucketAbac'),
  PutBucketAccelerateConfiguration: bucket('s3:PutAccelerateConfiguration'),
  PutBucketAcl: bucket('s3:PutBucketAcl'),
  PutBucketAnalyticsConfiguration: bucket('s3:PutAnalyticsConfiguration'),
  PutBucketCors: bucket('s3:PutBucketCORS'),
  PutBucketEncryption: bucket('s3:PutEncryptionConfiguration'),
  PutBucketIntelligentTieringConfiguration: bucket('s3:PutIntelligentTieringConfiguration'),
  PutBucketInventoryConfiguration: bucket('s3:PutInventoryConfiguration'),
  PutBucketLifecycleConfiguration: bucket('s3:PutLifecycleConfiguration'),
  PutBucketLogging: bucket('s3:PutBucketLogging'),
  PutBucketMetricsConfiguration: bucket('s3:PutMetricsConfiguration'),
  PutBucketNotificationConfiguration: bucket('s3:PutBucketNotification'),
  PutBucketOwnershipControls: bucket('s3:PutBucketOwnershipControls'),
  PutBucketPolicy: bucket('s3:PutBucketPolicy'),
  PutBucketReplication: bucket('s3:PutReplicationConfiguration'),
  PutBucketRequestPayment: bucket('s3:PutBucketRequestPayment'),
  PutBucketTagging: bucket('s3:PutBucketTagging'),
  PutBucketVersioning: bucket('s3:PutBucketVersioning'),
  PutBucketWebsite: bucket('s3:PutBucketWebsite'),
  PutObject: key('s3:PutObject'),
  PutObjectAcl: key('s3:PutObjectAcl', 's3:PutObjectVersionAcl'),
  PutObjectAnnotation: key('s3:PutObjectAnnotation', 's3:PutObjectVersionAnnotation'),
  PutObjectLegalHold: key('s3:PutObjectLegalHold'),
  PutObjectLockConfiguration: bucket('s3:PutBucketObjectLockConfiguration'),
  PutObjectRetention: key('s3:PutObjectRetention'),
  PutObjectTagging: key('s3:PutObjectTagging', 's3:PutObjectVersionTagging'),
  PutPublicAccessBlock: bucket('s3:PutBucketPublicAccessBlock'),
  RenameObject: key('s3:PutObject'),
  RestoreObject: key('s3:RestoreObject'),
  SelectObjectContent: key('s3:GetObject'),
  UpdateBucketMetadataAnnotationTableConfiguration: bucket(
    's3:UpdateBucketMetadataAnnotationTableConfiguration',
  ),
  UpdateBucketMetadataInventoryTableConfiguration: bucket(
    's3:UpdateBucketMetadataInventoryTableConfiguration',
  ),
  UpdateBucketMetadataJournalTableConfiguration: bucket(
    's3:UpdateBucketMetadataJournalTableConfiguration',
  ),
  UpdateObjectEncryption: key('s3:UpdateObjectEncryption'),
  UploadPart: key('s3:PutObject'),
  UploadPartCopy: key('s3:PutObject'),
  WriteGetObjectResponse: root('s3-object-lambda:WriteGetObjectResponse'),
}

/** Operations that name an action of S3 which is none of the operations'. */
const FURTHER = [
  's3:BypassGovernanceRetention',
  's3:GetObjectVersionForReplication',
  's3:InitiateReplication',
  's3:ObjectOwnerOverrideToBucketOwner',
  's3:PutObjectVersionTagging',
  's3:ReplicateDelete',
  's3:ReplicateObject',
  's3:ReplicateTags',
  's3:GetBucketObjectLockConfiguration',
]

/** All actions that a policy may name, in S3's spelling. */
export const ACTIONS: ReadonlySet<string> = new Set(
  [...Object.values(NEEDS).flatMap(({ action, version }) => [action, version]), ...FURTHER].filter(
    (action) => action.startsWith('s3:'),
  ),
)

/** Actions on an object; all others are on a bucket, or on none. */
export const KEY_ACTIONS: ReadonlySet<string> = new Set([
  ...Object.values(NEEDS).flatMap(({ on, action, version }) =>
    on === 'key' ? [action, version] : [],
  ),
  's3:BypassGovernanceRetention',
  's3:GetObjectVersionForReplication',
  's3:ObjectOwnerOverrideToBucketOwner',
  's3:ReplicateDelete',
  's3:ReplicateObject',
  's3:ReplicateTags',
])

/** What a header asks for beside the operation itself. */
export interface HeaderNeed {
  readonly operations: ReadonlySet<string>
  readonly header: string
  readonly action: string
  /**
   * Who may put the object may say this of it too, before `compat: aws-2026` (Ceph's suite and older
   * clients rely on it); a policy can deny it all the same.
   */
  readonly isImplied: boolean
}

const WRITES: ReadonlySet<string> = new Set(['PutObject', 'CopyObject', 'CreateMultipartUpload'])
const CREATES: ReadonlySet<string> = new Set(['CreateBucket'])

const grantHeaders = [
  'acl',
  'grant-full-control',
  'grant-read',
  'grant-read-acp',
  'grant-write-acp',
]

function needOf(operations: ReadonlySet<string>, isImplied: boolean) {
  return ([header, action]: readonly [string, string]): HeaderNeed => ({
    operations,
    header: `x-amz-${header}`,
    action: `s3:${action}`,
    isImplied,
  })
}

/** Of writes of objects; tags and locks the operations ask for themselves, for they can come from elsewhere. */
export const HEADER_NEEDS: readonly HeaderNeed[] = grantHeaders
  .map((header) => [header, 'PutObjectAcl'] as const)
  .map(needOf(WRITES, true))

/** See `isImplied`: what an operation asks for besides. */
export function isImplied(operation: string | undefined, action: string): boolean {
  return action === 's3:PutObjectTagging' && operation !== undefined && WRITES.has(operation)
}

/** Of CreateBucket. */
export const BUCKET_NEEDS: readonly HeaderNeed[] = [
  ...[...grantHeaders, 'grant-write']
    .map((header) => [header, 'PutBucketAcl'] as const)
    .map(needOf(CREATES, false)),
  needOf(CREATES, false)(['bucket-object-lock-enabled', 'PutBucketObjectLockConfiguration']),
  needOf(CREATES, false)(['object-ownership', 'PutBucketOwnershipControls']),
]

/** Bucket lists: which permission gives an action on the bucket, or on objects that are to be in it. */
export const BUCKET_PERMISSIONS: ReadonlyMap<string, string> = new Map([
  ['s3:ListBucket', 'READ'],
  ['s3:ListBucketVersions', 'READ'],
  ['s3:ListBucketMultipartUploads', 'READ'],
  ['s3:GetBucketAcl', 'READ_ACP'],
  ['s3:PutBucketAcl', 'WRITE_ACP'],
  ['s3:PutObject', 'WRITE'],
  ['s3:DeleteObject', 'WRITE'],
])

/** Object lists. */
export const OBJECT_PERMISSIONS: ReadonlyMap<string, string> = new Map([
  ['s3:GetObject', 'READ'],
  ['s3:GetObjectVersion', 'READ'],
  ['s3:GetObjectTorrent', 'READ'],
  ['s3:GetObjectVersionTorrent', 'READ'],
  ['s3:GetObjectAttributes', 'READ'],
  ['s3:GetObjectVersionAttributes', 'READ'],
  ['s3:GetObjectAcl', 'READ_ACP'],
  ['s3:GetObjectVersionAcl', 'READ_ACP'],
  ['s3:PutObjectAcl', 'WRITE_ACP'],
  ['s3:PutObjectVersionAcl', 'WRITE_ACP'],
])
