/**
 * What a request may do. The pipeline asks for what the request itself names; a handler asks for what
 * only its body, a header or a row names: each key of DeleteObjects, the source of a copy, a bypass
 * of governance.
 */

/** What is acted on: a bucket, or an object (version) in it. */
export interface Resource {
  readonly bucket: string
  readonly key?: string
  readonly versionId?: string
}

export interface Access {
  /**
   * May the requester do this? `action` is IAM's name, `s3:GetObject` (Service Authorization
   * Reference, "Actions, resources, and condition keys for Amazon S3"). A promise only where a row has
   * to be read for the answer.
   */
  may(action: string, resource: Resource): boolean | Promise<boolean>
}

/** For those inside: the sweep, a worker, a test. */
export const UNRESTRICTED: Access = { may: () => true }

/**
 * For a room of this program that puts objects together of its own parts: as UNRESTRICTED, and its
 * parts may be of any size. It is known by being this very object, which no request comes by.
 */
export const ASSEMBLING: Access = { may: () => true }
