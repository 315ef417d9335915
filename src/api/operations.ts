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
import type { Body } from '../lib/stream.ts'
import type { Payload } from './payload.ts'

type Uploaded<T> = Omit<T, 'Body'> & { Body?: Payload }
type Downloaded<T> = Omit<T, 'Body'> & { Body?: Body | Uint8Array }

/** Input and output of each operation that has a handler, in alphabetical order. */
export interface Operations {
  AbortMultipartUpload: [sdk.AbortMultipartUploadRequest, sdk.AbortMultipartUploadOutput]
  CompleteMultipartUpload: [sdk.CompleteMultipartUploadRequest, sdk.CompleteMultipartUploadOutput]
  CopyObject: [sdk.CopyObjectRequest, sdk.CopyObjectOutput]
  CreateBucket: [sdk.CreateBucketRequest, sdk.CreateBucketOutput]
  CreateMultipartUpload: [sdk.CreateMultipartUploadRequest, sdk.CreateMultipartUploadOutput]
  DeleteBucket: [sdk.DeleteBucketRequest, Nothing]
  DeleteObject: [sdk.DeleteObjectRequest, sdk.DeleteObjectOutput]
  DeleteObjects: [sdk.DeleteObjectsRequest, sdk.DeleteObjectsOutput]
  GetBucketAcl: [sdk.GetBucketAclRequest, sdk.GetBucketAclOutput]
  GetBucketLocation: [sdk.GetBucketLocationRequest, sdk.GetBucketLocationOutput]
  GetBucketVersioning: [sdk.GetBucketVersioningRequest, sdk.GetBucketVersioningOutput]
  GetObject: [sdk.GetObjectRequest, Downloaded<sdk.GetObjectOutput>]
  GetObjectAcl: [sdk.GetObjectAclRequest, sdk.GetObjectAclOutput]
  GetObjectAttributes: [sdk.GetObjectAttributesRequest, sdk.GetObjectAttributesOutput]
  GetObjectTagging: [sdk.GetObjectTaggingRequest, sdk.GetObjectTaggingOutput]
  HeadBucket: [sdk.HeadBucketRequest, sdk.HeadBucketOutput]
  HeadObject: [sdk.HeadObjectRequest, sdk.HeadObjectOutput]
  ListBuckets: [sdk.ListBucketsRequest, sdk.ListBucketsOutput]
  ListMultipartUploads: [sdk.ListMultipartUploadsRequest, sdk.ListMultipartUploadsOutput]
  ListObjects: [sdk.ListObjectsRequest, sdk.ListObjectsOutput]
  ListObjectsV2: [sdk.ListObjectsV2Request, sdk.ListObjectsV2Output]
  ListObjectVersions: [sdk.ListObjectVersionsRequest, sdk.ListObjectVersionsOutput]
  ListParts: [sdk.ListPartsRequest, sdk.ListPartsOutput]
  PutBucketAcl: [sdk.PutBucketAclRequest, Nothing]
  PutObject: [Uploaded<sdk.PutObjectRequest>, sdk.PutObjectOutput]
  PutObjectAcl: [sdk.PutObjectAclRequest, sdk.PutObjectAclOutput]
  UploadPart: [Uploaded<sdk.UploadPartRequest>, sdk.UploadPartOutput]
  UploadPartCopy: [sdk.UploadPartCopyRequest, sdk.UploadPartCopyOutput]
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
