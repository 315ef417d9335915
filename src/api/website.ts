import type { WebsiteConfiguration } from '@aws-sdk/client-s3'

/**
 * How a bucket is a website (PutBucketWebsite); undefined where it is none. Rejects with NoSuchBucket.
 */
export type WebsiteLookup = (bucket: string) => Promise<WebsiteConfiguration | undefined>
