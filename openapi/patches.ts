/**
 * Where AWS does otherwise than its own model says, or says nothing: as data, each with its why.
 * `build.ts` lays them over the model; a patch that no longer meets anything stops the build.
 */
import { ObjectAttributes, ObjectCannedACL, StorageClass } from '@aws-sdk/client-s3'
import { CHECKSUM_ALGORITHMS } from '../src/api/checksum.ts'
import { PART_NUMBER_MAX } from '../src/api/limits.ts'
import type { Bounds, Choice, Member, OperationModel } from '../src/api/model.ts'

export const OPERATIONS: Readonly<Record<string, Partial<OperationModel>>> = {
  // Told from ListBuckets by its host alone, which a gateway does not have; the JS SDK names it.
  ListDirectoryBuckets: { query: 'x-id=ListDirectoryBuckets' },
  // The model says nothing; S3's reference and S3 itself: 204.
  PutBucketPolicy: { status: 204 },
  // The restore is taken on, and tells by HEAD how far it is.
  RestoreObject: { status: 202 },
  // "The XML you provided ..." comes under a code of its own for access control lists.
  PutBucketAcl: { malformed: 'MalformedACLError' },
  PutObjectAcl: { malformed: 'MalformedACLError' },
  // The API reference calls Content-MD5 (or a checksum) required; the JS schemas do not carry it.
  DeleteObjects: { checksum: true },
  PutBucketCors: { checksum: true },
  PutBucketLifecycleConfiguration: { checksum: true },
  PutBucketReplication: { checksum: true },
  PutObjectLegalHold: { checksum: true },
  PutObjectLockConfiguration: { checksum: true },
  PutObjectRetention: { checksum: true },
}

/** S3 keeps Expires as it came, a date or not: beside the model's Date, the text. */
const EXPIRES: Record<string, Member> = {
  ExpiresString: { type: 'string', place: 'header', wire: 'expires' },
}

/** WRITE says nothing about an object, but older stores keep it and show it. */
const GRANT_WRITE: Record<string, Member> = {
  GrantWrite: { type: 'string', place: 'header', wire: 'x-amz-grant-write' },
}

/** S3 refuses readers that choose an encryption, so it has to be seen that they do. */
const CHOSEN: Record<string, Member> = {
  ServerSideEncryption: { type: 'string', place: 'header', wire: 'x-amz-server-side-encryption' },
}

/** Said by the replication of another gateway of ours: what it writes is a replica, and goes no further. */
const REPLICA: Record<string, Member> = {
  ReplicationStatus: { type: 'string', place: 'header', wire: 'x-amz-replication-status' },
}

/** What other uploads answer with a client's key; suites look for it here too. */
const CUSTOMER: Record<string, Member> = {
  SSECustomerAlgorithm: {
    type: 'string',
    place: 'header',
    wire: 'x-amz-server-side-encryption-customer-algorithm',
  },
  SSECustomerKeyMD5: {
    type: 'string',
    place: 'header',
    wire: 'x-amz-server-side-encryption-customer-key-md5',
  },
}

/** Members added or replaced. */
export const MEMBERS: Readonly<Record<string, Readonly<Record<string, Member>>>> = {
  // The root element holds the region as its text.
  GetBucketLocationOutput: {
    LocationConstraint: { type: 'string', place: 'text', wire: 'LocationConstraint' },
  },
  // The SDK's own device for unparsable dates; on the wire it is the Expires header.
  GetObjectOutput: EXPIRES,
  HeadObjectOutput: EXPIRES,
  PutObjectRequest: { ...EXPIRES, ...GRANT_WRITE, ...REPLICA },
  DeleteObjectRequest: REPLICA,
  CopyObjectRequest: { ...EXPIRES, ...GRANT_WRITE },
  CompleteMultipartUploadOutput: CUSTOMER,
  // The reference speaks of the header, for objects under governance; the model has forgotten it.
  DeleteObjectAnnotationRequest: {
    BypassGovernanceRetention: {
      type: 'boolean',
      place: 'header',
      wire: 'x-amz-bypass-governance-retention',
    },
  },
  CreateMultipartUploadRequest: { ...EXPIRES, ...GRANT_WRITE, ...REPLICA },
  GetObjectRequest: {
    ...CHOSEN,
    ResponseExpiresString: { type: 'string', place: 'query', wire: 'response-expires' },
  },
  HeadObjectRequest: {
    ...CHOSEN,
    ResponseExpiresString: { type: 'string', place: 'query', wire: 'response-expires' },
  },
}

/** Root elements that S3 takes for the one of the model. */
export const ROOT_ALIASES: Readonly<Record<string, string>> = {
  // Written by old clients (and by boto 2).
  CreateBucketConstraint: 'CreateBucketConfiguration',
}

const algorithm: Choice = {
  values: CHECKSUM_ALGORITHMS,
  code: 'InvalidRequest',
  message: `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${CHECKSUM_ALGORITHMS.join(', ')}]`,
  anyCase: true,
}

const attribute: Choice = {
  values: Object.values(ObjectAttributes),
  code: 'InvalidArgument',
  message: 'Invalid attribute name specified.',
}

const onOff: Choice = {
  values: ['ON', 'OFF'],
  code: 'InvalidArgument',
  message: "Legal Hold must be either of 'ON' or 'OFF'",
}

/** Values that S3 checks, with the words in which it refuses others (recorded from AWS where known). */
export const CHOICES: Readonly<Record<string, Choice>> = {
  'encoding-type': {
    values: ['url'],
    code: 'InvalidArgument',
    message: 'Invalid Encoding Method specified in Request',
  },
  'x-amz-acl': {
    values: [...Object.values(ObjectCannedACL), 'log-delivery-write'],
    code: 'InvalidArgument',
  },
  'x-amz-checksum-algorithm': algorithm,
  'x-amz-sdk-checksum-algorithm': algorithm,
  'x-amz-checksum-type': {
    values: ['COMPOSITE', 'FULL_OBJECT'],
    code: 'InvalidRequest',
    message: 'Value for x-amz-checksum-type header is invalid.',
  },
  'x-amz-metadata-directive': {
    values: ['COPY', 'REPLACE'],
    code: 'InvalidArgument',
    message: 'Unknown metadata directive.',
  },
  'x-amz-replication-status': {
    values: ['REPLICA'],
    code: 'InvalidArgument',
    message: 'Writes can be those of a REPLICA, and of nothing else.',
  },
  'x-amz-object-annotation-directive': {
    values: ['COPY', 'EXCLUDE'],
    code: 'InvalidArgument',
    message: 'Unknown annotation directive.',
  },
  'x-amz-tagging-directive': {
    values: ['COPY', 'REPLACE'],
    code: 'InvalidArgument',
    message: 'Unknown tagging directive.',
  },
  'x-amz-object-attributes': attribute,
  'x-amz-optional-object-attributes': { ...attribute, values: ['RestoreStatus'] },
  'x-amz-object-lock-legal-hold': onOff,
  'x-amz-object-lock-mode': {
    values: ['GOVERNANCE', 'COMPLIANCE'],
    code: 'InvalidArgument',
    message: 'Unknown wormMode directive.',
  },
  'x-amz-object-ownership': {
    values: ['BucketOwnerPreferred', 'BucketOwnerEnforced', 'ObjectWriter'],
    code: 'InvalidArgument',
    message: 'Invalid x-amz-object-ownership header: {value}',
  },
  'x-amz-server-side-encryption': {
    values: ['AES256', 'aws:kms', 'aws:kms:dsse', 'aws:fsx'],
    code: 'InvalidArgument',
    message: 'The encryption method specified is not supported',
  },
  'x-amz-storage-class': { values: Object.values(StorageClass), code: 'InvalidStorageClass' },
  'AbacStatus.Status': { values: ['Enabled', 'Disabled'] },
  'AccelerateConfiguration.Status': { values: ['Enabled', 'Suspended'] },
  'RequestPaymentConfiguration.Payer': { values: ['BucketOwner', 'Requester'] },
  'IntelligentTieringConfiguration.Status': { values: ['Enabled', 'Disabled'] },
  'Tiering.AccessTier': { values: ['ARCHIVE_ACCESS', 'DEEP_ARCHIVE_ACCESS'] },
  'InventoryConfiguration.IncludedObjectVersions': { values: ['All', 'Current'] },
  'InventoryS3BucketDestination.Format': { values: ['CSV', 'ORC', 'Parquet'] },
  'InventorySchedule.Frequency': { values: ['Daily', 'Weekly'] },
  'PartitionedPrefix.PartitionDateSource': { values: ['EventTime', 'DeliveryTime'] },
  'TargetGrant.Permission': { values: ['FULL_CONTROL', 'READ', 'WRITE'] },
  'LifecycleRule.Status': { values: ['Enabled', 'Disabled'] },
  'Grant.Permission': { values: ['FULL_CONTROL', 'READ', 'READ_ACP', 'WRITE', 'WRITE_ACP'] },
  'Grantee.Type': { values: ['CanonicalUser', 'AmazonCustomerByEmail', 'Group'] },
  'ObjectLockLegalHold.Status': { values: ['ON', 'OFF'] },
  'ObjectLockRetention.Mode': { values: ['GOVERNANCE', 'COMPLIANCE'] },
  'DefaultRetention.Mode': { values: ['GOVERNANCE', 'COMPLIANCE'] },
  'VersioningConfiguration.MFADelete': { values: ['Enabled', 'Disabled'] },
  'VersioningConfiguration.Status': { values: ['Enabled', 'Suspended'] },
}

export const BOUNDS: Readonly<Record<string, Bounds>> = {
  partNumber: {
    min: 1,
    max: PART_NUMBER_MAX,
    message: 'Part number must be an integer between 1 and 10000, inclusive',
  },
}

/** Sub-resources of S3's past and of its look-alikes: a request that names one never means the object itself. */
export const SUBRESOURCES: readonly string[] = [
  'append',
  'cname',
  'defaultObjectAcl',
  'domain',
  'events',
  'inventoryConfiguration',
  'lambdaArn',
  'metadataTableEncryption',
  'object-lambda',
  'policyDocument',
  'qosInfo',
  'rename',
  'replication-check',
  'replication-metrics',
  'replication-reset',
  'replication-reset-status',
  'storageClass',
  'storagePolicy',
  'symlink',
  'truncate',
  'vod',
]
