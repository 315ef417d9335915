/** All operations that are carried out, gathered into one S3. */
import type { S3Api } from '../api/operations.ts'
import { abortMultipartUpload } from './abort-upload.ts'
import { getBucketAcl, putBucketAcl } from './bucket-acl.ts'
import { deleteBucketCors, getBucketCors, putBucketCors } from './bucket-cors.ts'
import {
  deleteBucketEncryption,
  getBucketEncryption,
  putBucketEncryption,
} from './bucket-encryption.ts'
import { getBucketLocation, headBucket } from './bucket-info.ts'
import { getObjectLockConfiguration, putObjectLockConfiguration } from './bucket-lock.ts'
import {
  deleteBucketPolicy,
  getBucketPolicy,
  getBucketPolicyStatus,
  putBucketPolicy,
} from './bucket-policy.ts'
import { bucketSettings } from './bucket-settings.ts'
import { bucketReplication } from './bucket-replication.ts'
import { deleteBucketTagging, getBucketTagging, putBucketTagging } from './bucket-tagging.ts'
import { getBucketVersioning, putBucketVersioning } from './bucket-versioning.ts'
import { completeMultipartUpload } from './complete-upload.ts'
import type { Context } from './context.ts'
import { copyObject } from './copy-object.ts'
import { createBucket } from './create-bucket.ts'
import { createMultipartUpload } from './create-upload.ts'
import { deleteBucketWebsite, getBucketWebsite, putBucketWebsite } from './bucket-website.ts'
import { deleteBucket } from './delete-bucket.ts'
import { deleteObject } from './delete-object.ts'
import { deleteObjects } from './delete-objects.ts'
import { directoryBuckets } from './directory-buckets.ts'
import { getObject, headObject } from './get-object.ts'
import { inventoryConfigs } from './inventory-config.ts'
import { lifecycleConfig } from './lifecycle-config.ts'
import { listBuckets } from './list-buckets.ts'
import { listObjects, listObjectsV2 } from './list-objects.ts'
import { listParts } from './list-parts.ts'
import { listMultipartUploads } from './list-uploads.ts'
import { listObjectVersions } from './list-versions.ts'
import { analyticsConfigs, intelligentTieringConfigs, metricsConfigs } from './named-configs.ts'
import { metadataConfig } from './metadata-config.ts'
import { notificationConfig } from './notification-config.ts'
import { getObjectAcl, putObjectAcl } from './object-acl.ts'
import {
  deleteObjectAnnotation,
  getObjectAnnotation,
  listObjectAnnotations,
  putObjectAnnotation,
} from './object-annotations.ts'
import { getObjectAttributes } from './object-attributes.ts'
import {
  getObjectLegalHold,
  getObjectRetention,
  putObjectLegalHold,
  putObjectRetention,
} from './object-lock.ts'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './object-tagging.ts'
import {
  deleteBucketOwnershipControls,
  getBucketOwnershipControls,
  putBucketOwnershipControls,
} from './ownership.ts'
import {
  deletePublicAccessBlock,
  getPublicAccessBlock,
  putPublicAccessBlock,
} from './public-access.ts'
import { putObject } from './put-object.ts'
import { renameObject } from './rename-object.ts'
import { restoreObject } from './restore-object.ts'
import { selectObjectContent } from './select-object.ts'
import { updateObjectEncryption } from './update-encryption.ts'
import { uploadPart } from './upload-part.ts'
import { uploadPartCopy } from './upload-part-copy.ts'

export function createS3(ctx: Context): S3Api {
  return {
    ...analyticsConfigs(ctx),
    ...intelligentTieringConfigs(ctx),
    ...inventoryConfigs(ctx),
    ...metricsConfigs(ctx),
    ...bucketSettings(ctx),
    ...directoryBuckets(ctx),
    ...lifecycleConfig(ctx),
    ...metadataConfig(ctx),
    ...bucketReplication(ctx),
    ...notificationConfig(ctx),
    AbortMultipartUpload: abortMultipartUpload(ctx),
    CompleteMultipartUpload: completeMultipartUpload(ctx),
    CopyObject: copyObject(ctx),
    CreateBucket: createBucket(ctx),
    CreateMultipartUpload: createMultipartUpload(ctx),
    DeleteBucket: deleteBucket(ctx),
    DeleteBucketCors: deleteBucketCors(ctx),
    DeleteBucketEncryption: deleteBucketEncryption(ctx),
    DeleteBucketOwnershipControls: deleteBucketOwnershipControls(ctx),
    DeleteBucketPolicy: deleteBucketPolicy(ctx),
    DeleteBucketTagging: deleteBucketTagging(ctx),
    DeleteBucketWebsite: deleteBucketWebsite(ctx),
    DeleteObject: deleteObject(ctx),
    DeleteObjectAnnotation: deleteObjectAnnotation(ctx),
    DeleteObjects: deleteObjects(ctx),
    DeleteObjectTagging: deleteObjectTagging(ctx),
    DeletePublicAccessBlock: deletePublicAccessBlock(ctx),
    GetBucketAcl: getBucketAcl(ctx),
    GetBucketCors: getBucketCors(ctx),
    GetBucketEncryption: getBucketEncryption(ctx),
    GetBucketLocation: getBucketLocation(ctx),
    GetBucketOwnershipControls: getBucketOwnershipControls(ctx),
    GetBucketPolicy: getBucketPolicy(ctx),
    GetBucketPolicyStatus: getBucketPolicyStatus(ctx),
    GetBucketTagging: getBucketTagging(ctx),
    GetBucketVersioning: getBucketVersioning(ctx),
    GetBucketWebsite: getBucketWebsite(ctx),
    GetObject: getObject(ctx),
    GetObjectAcl: getObjectAcl(ctx),
    GetObjectAnnotation: getObjectAnnotation(ctx),
    GetObjectAttributes: getObjectAttributes(ctx),
    GetObjectLegalHold: getObjectLegalHold(ctx),
    GetObjectLockConfiguration: getObjectLockConfiguration(ctx),
    GetObjectRetention: getObjectRetention(ctx),
    GetObjectTagging: getObjectTagging(ctx),
    GetPublicAccessBlock: getPublicAccessBlock(ctx),
    HeadBucket: headBucket(ctx),
    HeadObject: headObject(ctx),
    ListBuckets: listBuckets(ctx),
    ListMultipartUploads: listMultipartUploads(ctx),
    ListObjectAnnotations: listObjectAnnotations(ctx),
    ListObjects: listObjects(ctx),
    ListObjectsV2: listObjectsV2(ctx),
    ListObjectVersions: listObjectVersions(ctx),
    ListParts: listParts(ctx),
    PutBucketAcl: putBucketAcl(ctx),
    PutBucketCors: putBucketCors(ctx),
    PutBucketEncryption: putBucketEncryption(ctx),
    PutBucketOwnershipControls: putBucketOwnershipControls(ctx),
    PutBucketPolicy: putBucketPolicy(ctx),
    PutBucketTagging: putBucketTagging(ctx),
    PutBucketVersioning: putBucketVersioning(ctx),
    PutBucketWebsite: putBucketWebsite(ctx),
    PutObject: putObject(ctx),
    PutObjectAcl: putObjectAcl(ctx),
    PutObjectAnnotation: putObjectAnnotation(ctx),
    PutObjectLegalHold: putObjectLegalHold(ctx),
    PutObjectLockConfiguration: putObjectLockConfiguration(ctx),
    PutObjectRetention: putObjectRetention(ctx),
    PutObjectTagging: putObjectTagging(ctx),
    PutPublicAccessBlock: putPublicAccessBlock(ctx),
    RenameObject: renameObject(ctx),
    RestoreObject: restoreObject(ctx),
    SelectObjectContent: selectObjectContent(ctx),
    UpdateObjectEncryption: updateObjectEncryption(ctx),
    UploadPart: uploadPart(ctx),
    UploadPartCopy: uploadPartCopy(ctx),
  }
}
