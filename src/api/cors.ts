import type { CORSRule } from '@aws-sdk/client-s3'

/**
 * The rules by which a bucket lets web pages of other origins in (PutBucketCors), in their order;
 * undefined where it has none. Rejects with NoSuchBucket.
 */
export type CorsLookup = (bucket: string) => Promise<readonly CORSRule[] | undefined>
