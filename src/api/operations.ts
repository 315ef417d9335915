/**
 * The S3 API as types: for each operation that we serve its input, its output, its handler.
 *
 * Shapes come from AWS's own model by way of `@aws-sdk/client-s3` (types only: nothing of the SDK is
 * loaded). `src/http` turns requests into inputs and outputs into responses; `src/s3` answers;
 * neither imports the other. Names of members are the model's.
 *
 * Conventions beside the model:
 * - `Metadata` and header-bound strings hold the header's bytes as latin1 characters, as they came.
 * - ETags in outputs carry their quotes.
 * - A GetObject or HeadObject output with `ContentRange` is answered 206.
 * - 304 is an `S3Error` of code NotModified, with its headers.
 */
import type * as sdk from '@aws-sdk/client-s3'
import type { Access } from './access.ts'
import type { Body } from '../lib/stream.ts'
import type { Payload } from './payload.ts'
import type { SelectEvent } from './select-event.ts'

type Uploaded<T, M extends keyof T = 'Body' & keyof T> = Omit<T, M> & { [K in M]?: Payload }
type Downloaded<T, M extends keyof T = 'Body' & keyof T> = Omit<T, M> & {
  [K in M]?: Body | Uint8Array
}

/** Input and output of each operation of the model, in alphabetical order. */
export interface Operations {
  AbortMultipartUpload: [sdk.AbortMultipartUploadRequest, sdk.AbortMultipartUploadOutput]
  CompleteMultipartUpload: [sdk.CompleteMultipartUploadRequest, sdk.CompleteMultipartUploadOutput]
  CopyObject: [sdk.CopyObjectRequest, sdk.CopyObjectOutput]
  CreateBucket: [sdk.CreateBucketRequest, sdk.CreateBucketOutput]
  CreateBucketMetadataConfiguration: [sdk.CreateBucketMetadataConfigurationRequest, Nothing]
  CreateBucketMetadataTableConfiguration: [
    sdk.CreateBucketMetadataTableConfigurationRequest,
    Nothing,
  ]
  CreateMultipartUpload: [sdk.CreateMultipartUploadRequest, sdk.CreateMultipartUploadOutput]
  CreateSession: [sdk.CreateSessionRequest, sdk.CreateSessionOutput]
  DeleteBucket: [sdk.DeleteBucketRequest, Nothing]
  DeleteBucketAnalyticsConfiguration: [sdk.DeleteBucketAnalyticsConfigurationRequest, Nothing]
  DeleteBucketCors: [sdk.DeleteBucketCorsRequest, Nothing]
  DeleteBucketEncryption: [sdk.DeleteBucketEncryptionRequest, Nothing]
  DeleteBucketIntelligentTieringConfiguration: [
    sdk.DeleteBucketIntelligentTieringConfigurationRequest,
    Nothing,
  ]
  DeleteBucketInventoryConfiguration: [sdk.DeleteBucketInventoryConfigurationRequest, Nothing]
  DeleteBucketLifecycle: [sdk.DeleteBucketLifecycleRequest, Nothing]
  DeleteBucketMetadataConfiguration: [sdk.DeleteBucketMetadataConfigurationRequest, Nothing]
  DeleteBucketMetadataTableConfiguration: [
    sdk.DeleteBucketMetadataTableConfigurationRequest,
    Nothing,
  ]
  DeleteBucketMetricsConfiguration: [sdk.DeleteBucketMetricsConfigurationRequest, Nothing]
  DeleteBucketOwnershipControls: [sdk.DeleteBucketOwnershipControlsRequest, Nothing]
  DeleteBucketPolicy: [sdk.DeleteBucketPolicyRequest, Nothing]
  DeleteBucketReplication: [sdk.DeleteBucketReplicationRequest, Nothing]
  DeleteBucketTagging: [sdk.DeleteBucketTaggingRequest, Nothing]
  DeleteBucketWebsite: [sdk.DeleteBucketWebsiteRequest, Nothing]
  DeleteObject: [sdk.DeleteObjectRequest, sdk.DeleteObjectOutput]
  DeleteObjectAnnotation: [sdk.DeleteObjectAnnotationRequest, sdk.DeleteObjectAnnotationOutput]
  DeleteObjectTagging: [sdk.DeleteObjectTaggingRequest, sdk.DeleteObjectTaggingOutput]
  DeleteObjects: [sdk.DeleteObjectsRequest, sdk.DeleteObjectsOutput]
  DeletePublicAccessBlock: [sdk.DeletePublicAccessBlockRequest, Nothing]
  GetBucketAbac: [sdk.GetBucketAbacRequest, sdk.GetBucketAbacOutput]
  GetBucketAccelerateConfiguration: [
    sdk.GetBucketAccelerateConfigurationRequest,
    sdk.GetBucketAccelerateConfigurationOutput,
  ]
  GetBucketAcl: [sdk.GetBucketAclRequest, sdk.GetBucketAclOutput]
  GetBucketAnalyticsConfiguration: [
    sdk.GetBucketAnalyticsConfigurationRequest,
    sdk.GetBucketAnalyticsConfigurationOutput,
  ]
  GetBucketCors: [sdk.GetBucketCorsRequest, sdk.GetBucketCorsOutput]
  GetBucketEncryption: [sdk.GetBucketEncryptionRequest, sdk.GetBucketEncryptionOutput]
  GetBucketIntelligentTieringConfiguration: [
    sdk.GetBucketIntelligentTieringConfigurationRequest,
    sdk.GetBucketIntelligentTieringConfigurationOutput,
  ]
  GetBucketInventoryConfiguration: [
    sdk.GetBucketInventoryConfigurationRequest,
    sdk.GetBucketInventoryConfigurationOutput,
  ]
  GetBucketLifecycleConfiguration: [
    sdk.GetBucketLifecycleConfigurationRequest,
    sdk.GetBucketLifecycleConfigurationOutput,
  ]
  GetBucketLocation: [sdk.GetBucketLocationRequest, sdk.GetBucketLocationOutput]
  GetBucketLogging: [sdk.GetBucketLoggingRequest, sdk.GetBucketLoggingOutput]
  GetBucketMetadataConfiguration: [
    sdk.GetBucketMetadataConfigurationRequest,
    sdk.GetBucketMetadataConfigurationOutput,
  ]
  GetBucketMetadataTableConfiguration: [
    sdk.GetBucketMetadataTableConfigurationRequest,
    sdk.GetBucketMetadataTableConfigurationOutput,
  ]
  GetBucketMetricsConfiguration: [
    sdk.GetBucketMetricsConfigurationRequest,
    sdk.GetBucketMetricsConfigurationOutput,
  ]
  GetBucketNotificationConfiguration: [
    sdk.GetBucketNotificationConfigurationRequest,
    sdk.NotificationConfiguration,
  ]
  GetBucketOwnershipControls: [
    sdk.GetBucketOwnershipControlsRequest,
    sdk.GetBucketOwnershipControlsOutput,
  ]
  GetBucketPolicy: [sdk.GetBucketPolicyRequest, sdk.GetBucketPolicyOutput]
  GetBucketPolicyStatus: [sdk.GetBucketPolicyStatusRequest, sdk.GetBucketPolicyStatusOutput]
  GetBucketReplication: [sdk.GetBucketReplicationRequest, sdk.GetBucketReplicationOutput]
  GetBucketRequestPayment: [sdk.GetBucketRequestPaymentRequest, sdk.GetBucketRequestPaymentOutput]
  GetBucketTagging: [sdk.GetBucketTaggingRequest, sdk.GetBucketTaggingOutput]
  GetBucketVersioning: [sdk.GetBucketVersioningRequest, sdk.GetBucketVersioningOutput]
  GetBucketWebsite: [sdk.GetBucketWebsiteRequest, sdk.GetBucketWebsiteOutput]
  GetObject: [sdk.GetObjectRequest, Downloaded<sdk.GetObjectOutput>]
  GetObjectAcl: [sdk.GetObjectAclRequest, sdk.GetObjectAclOutput]
  GetObjectAnnotation: [
    sdk.GetObjectAnnotationRequest,
    Downloaded<sdk.GetObjectAnnotationOutput, 'AnnotationPayload'>,
  ]
  GetObjectAttributes: [sdk.GetObjectAttributesRequest, sdk.GetObjectAttributesOutput]
  GetObjectLegalHold: [sdk.GetObjectLegalHoldRequest, sdk.GetObjectLegalHoldOutput]
  GetObjectLockConfiguration: [
    sdk.GetObjectLockConfigurationRequest,
    sdk.GetObjectLockConfigurationOutput,
  ]
  GetObjectRetention: [sdk.GetObjectRetentionRequest, sdk.GetObjectRetentionOutput]
  GetObjectTagging: [sdk.GetObjectTaggingRequest, sdk.GetObjectTaggingOutput]
  GetObjectTorrent: [sdk.GetObjectTorrentRequest, Downloaded<sdk.GetObjectTorrentOutput>]
  GetPublicAccessBlock: [sdk.GetPublicAccessBlockRequest, sdk.GetPublicAccessBlockOutput]
  HeadBucket: [sdk.HeadBucketRequest, sdk.HeadBucketOutput]
  HeadObject: [sdk.HeadObjectRequest, sdk.HeadObjectOutput]
  ListBucketAnalyticsConfigurations: [
    sdk.ListBucketAnalyticsConfigurationsRequest,
    sdk.ListBucketAnalyticsConfigurationsOutput,
  ]
  ListBucketIntelligentTieringConfigurations: [
    sdk.ListBucketIntelligentTieringConfigurationsRequest,
    sdk.ListBucketIntelligentTieringConfigurationsOutput,
  ]
  ListBucketInventoryConfigurations: [
    sdk.ListBucketInventoryConfigurationsRequest,
    sdk.ListBucketInventoryConfigurationsOutput,
  ]
  ListBucketMetricsConfigurations: [
    sdk.ListBucketMetricsConfigurationsRequest,
    sdk.ListBucketMetricsConfigurationsOutput,
  ]
  ListBuckets: [sdk.ListBucketsRequest, sdk.ListBucketsOutput]
  ListDirectoryBuckets: [sdk.ListDirectoryBucketsRequest, sdk.ListDirectoryBucketsOutput]
  ListMultipartUploads: [sdk.ListMultipartUploadsRequest, sdk.ListMultipartUploadsOutput]
  ListObjectAnnotations: [sdk.ListObjectAnnotationsRequest, sdk.ListObjectAnnotationsOutput]
  ListObjectVersions: [sdk.ListObjectVersionsRequest, sdk.ListObjectVersionsOutput]
  ListObjects: [sdk.ListObjectsRequest, sdk.ListObjectsOutput]
  ListObjectsV2: [sdk.ListObjectsV2Request, sdk.ListObjectsV2Output]
  ListParts: [sdk.ListPartsRequest, sdk.ListPartsOutput]
  PutBucketAbac: [sdk.PutBucketAbacRequest, Nothing]
  PutBucketAccelerateConfiguration: [sdk.PutBucketAccelerateConfigurationRequest, Nothing]
  PutBucketAcl: [sdk.PutBucketAclRequest, Nothing]
  PutBucketAnalyticsConfiguration: [sdk.PutBucketAnalyticsConfigurationRequest, Nothing]
  PutBucketCors: [sdk.PutBucketCorsRequest, Nothing]
  PutBucketEncryption: [sdk.PutBucketEncryptionRequest, Nothing]
  PutBucketIntelligentTieringConfiguration: [
    sdk.PutBucketIntelligentTieringConfigurationRequest,
    Nothing,
  ]
  PutBucketInventoryConfiguration: [sdk.PutBucketInventoryConfigurationRequest, Nothing]
  PutBucketLifecycleConfiguration: [
    sdk.PutBucketLifecycleConfigurationRequest,
    sdk.PutBucketLifecycleConfigurationOutput,
  ]
  PutBucketLogging: [sdk.PutBucketLoggingRequest, Nothing]
  PutBucketMetricsConfiguration: [sdk.PutBucketMetricsConfigurationRequest, Nothing]
  PutBucketNotificationConfiguration: [sdk.PutBucketNotificationConfigurationRequest, Nothing]
  PutBucketOwnershipControls: [sdk.PutBucketOwnershipControlsRequest, Nothing]
  PutBucketPolicy: [sdk.PutBucketPolicyRequest, Nothing]
  PutBucketReplication: [sdk.PutBucketReplicationRequest, Nothing]
  PutBucketRequestPayment: [sdk.PutBucketRequestPaymentRequest, Nothing]
  PutBucketTagging: [sdk.PutBucketTaggingRequest, Nothing]
  PutBucketVersioning: [sdk.PutBucketVersioningRequest, Nothing]
  PutBucketWebsite: [sdk.PutBucketWebsiteRequest, Nothing]
  PutObject: [Uploaded<sdk.PutObjectRequest>, sdk.PutObjectOutput]
  PutObjectAcl: [sdk.PutObjectAclRequest, sdk.PutObjectAclOutput]
  PutObjectAnnotation: [
    Uploaded<sdk.PutObjectAnnotationRequest, 'AnnotationPayload'>,
    sdk.PutObjectAnnotationOutput,
  ]
  PutObjectLegalHold: [sdk.PutObjectLegalHoldRequest, sdk.PutObjectLegalHoldOutput]
  PutObjectLockConfiguration: [
    sdk.PutObjectLockConfigurationRequest,
    sdk.PutObjectLockConfigurationOutput,
  ]
  PutObjectRetention: [sdk.PutObjectRetentionRequest, sdk.PutObjectRetentionOutput]
  PutObjectTagging: [sdk.PutObjectTaggingRequest, sdk.PutObjectTaggingOutput]
  PutPublicAccessBlock: [sdk.PutPublicAccessBlockRequest, Nothing]
  RenameObject: [sdk.RenameObjectRequest, sdk.RenameObjectOutput]
  RestoreObject: [sdk.RestoreObjectRequest, sdk.RestoreObjectOutput]
  SelectObjectContent: [sdk.SelectObjectContentRequest, { Payload?: AsyncIterable<SelectEvent> }]
  UpdateBucketMetadataAnnotationTableConfiguration: [
    sdk.UpdateBucketMetadataAnnotationTableConfigurationRequest,
    Nothing,
  ]
  UpdateBucketMetadataInventoryTableConfiguration: [
    sdk.UpdateBucketMetadataInventoryTableConfigurationRequest,
    Nothing,
  ]
  UpdateBucketMetadataJournalTableConfiguration: [
    sdk.UpdateBucketMetadataJournalTableConfigurationRequest,
    Nothing,
  ]
  UpdateObjectEncryption: [sdk.UpdateObjectEncryptionRequest, sdk.UpdateObjectEncryptionResponse]
  UploadPart: [Uploaded<sdk.UploadPartRequest>, sdk.UploadPartOutput]
  UploadPartCopy: [sdk.UploadPartCopyRequest, sdk.UploadPartCopyOutput]
  WriteGetObjectResponse: [Uploaded<sdk.WriteGetObjectResponseRequest>, Nothing]
}

/** The output of an operation that answers with headers and status alone. */
export type Nothing = Readonly<Record<string, never>>

export type OperationName = keyof Operations
export type Input<N extends OperationName> = Operations[N][0]
export type Output<N extends OperationName> = Operations[N][1]

/** Who asks. */
export interface Requester {
  /** Canonical user id. */
  readonly id: string
  readonly displayName: string
}

/** What a handler may know of the request beside its input. */
export interface Call {
  /** 16 characters; also the `x-amz-request-id` of the response. */
  readonly requestId: string
  /** Undefined: anonymous. Authorization is already done. */
  readonly requester: Requester | undefined
  /** What else the requester may do: for what only the body or a row names. */
  readonly access: Access
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal
}

/**
 * Answers one operation. Rejects with `S3Error` for what S3 has a word for, and with the stores' own
 * errors; anything else is a fault of ours and becomes InternalError.
 */
export type Handler<N extends OperationName> = (input: Input<N>, call: Call) => Promise<Output<N>>

/** An S3: the one in this process, a remote one, or a fake. An absent handler answers NotImplemented. */
export type S3Api = { readonly [N in OperationName]?: Handler<N> }
