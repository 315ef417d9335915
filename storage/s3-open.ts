/**
 * Opening a bucket: whatever would make each request fail is said here, in one line that says what to
 * do about it; and uploads that a process left when it was killed are ended.
 */
import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { type Answer, refusal } from './remote-errors.ts'
import type { Bucket } from './s3-bucket.ts'
import { answerOf } from './s3-errors.ts'

/** Uploads begun longer ago belong to nobody: a blob is never a day on its way. */
const ABANDONED_MS = 24 * 3600 * 1000

/** Rejects with `StoreUnavailable` where the bucket cannot be used as it is. */
export async function checkBucket(bucket: Bucket): Promise<void> {
  if (bucket.name.endsWith('--x-s3'))
    throw new StoreUnavailable(
      `the bucket ${bucket.name} is a directory bucket: those do not list in order; take a general purpose bucket`,
    )
  try {
    const input = { Bucket: bucket.name, Prefix: bucket.prefix, MaxKeys: 1 }
    await bucket.client.send(new ListObjectsV2Command(input))
  } catch (error) {
    throw refused(bucket, error)
  }
}

/** Ends what was begun more than a day before `nowMs`. */
export async function endAbandonedUploads(bucket: Bucket, nowMs: number): Promise<void> {
  let markers: { KeyMarker?: string; UploadIdMarker?: string } = {}
  for (;;) {
    const input = { Bucket: bucket.name, Prefix: bucket.prefix, ...markers }
    const page = await bucket.client
      .send(new ListMultipartUploadsCommand(input))
      .catch((error: unknown) => {
        // A service without this list ends such uploads itself, by its own rules.
        if (answerOf(error).status === 501) return undefined
        throw refused(bucket, error)
      })
    for (const { Key = '', UploadId, Initiated } of page?.Uploads ?? []) {
      const isOld = Initiated !== undefined && Initiated.getTime() < nowMs - ABANDONED_MS
      if (!isOld || bucket.idOf(Key) === undefined) continue
      const command = new AbortMultipartUploadCommand({ Bucket: bucket.name, Key, UploadId })
      await bucket.client.send(command).catch((error: unknown) => {
        if (answerOf(error).code !== 'NoSuchUpload') throw refused(bucket, error)
      })
    }
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page ?? {}
    if (page?.IsTruncated !== true || KeyMarker === undefined) return
    markers = { KeyMarker, ...(UploadIdMarker === undefined ? {} : { UploadIdMarker }) }
  }
}

/** What to do, by what the service says. */
const REMEDIES: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket: make it, or mend storage.bucket',
  InvalidAccessKeyId: 'the service does not know the access key: mend storage.accessKeyId',
  SignatureDoesNotMatch:
    'the secret does not belong to the access key: mend storage.secretAccessKey',
  AccessDenied: 'these credentials may not use the bucket: see the policy in docs/storage-s3.md',
  ExpiredToken: 'the credentials have expired: get new ones',
  CredentialsProviderError:
    'no credentials were found: set storage.accessKeyId and storage.secretAccessKey, or what the AWS SDK reads',
  RequestTimeTooSkewed: "this machine's clock is wrong: set it",
  ENOTFOUND: 'the host is not known: mend storage.endpoint or storage.region',
  ECONNREFUSED: 'nobody listens there: mend storage.endpoint, or start the service',
}

const OTHER_REGION: ReadonlySet<string> = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
])

function refused(bucket: Bucket, error: unknown): StoreUnavailable {
  const answer = answerOf(error)
  const remedy = isOtherRegion(answer)
    ? `the bucket is in another region${regionOf(error)}: mend storage.region`
    : isWithoutRegion(answer)
      ? 'no region is known: set storage.region'
      : REMEDIES[answer.code]
  return refusal(`bucket ${bucket.name} (${bucket.place})`, answer, remedy, error)
}

function isOtherRegion({ code, status }: Answer): boolean {
  return status === 301 || OTHER_REGION.has(code)
}

function isWithoutRegion({ message }: Answer): boolean {
  return message.startsWith('Region is missing')
}

function regionOf(error: unknown): string {
  const { Region, $response } = error as {
    readonly Region?: unknown
    readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
  }
  const region = $response?.headers?.['x-amz-bucket-region'] ?? Region
  return typeof region === 'string' ? ` (${region})` : ''
}
