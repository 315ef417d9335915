/** What every handler of the S3 semantics is given: its stores, its clock, its options. */
import type { MetadataStore } from '../../metadata/store.ts'
import type { ObjectStorage, UnderKey } from '../../storage/store.ts'
import type { PolicyRules } from '../api/facts.ts'
import type { People } from '../api/people.ts'
import type { Clock, Ids } from '../lib/ids.ts'
import type { Buckets } from './bucket.ts'
import type { Configs } from './bucket-config.ts'
import type { Keyring } from './keyring.ts'
import type { Nudges } from './nudged-rounds.ts'
import type { Webhooks } from './outbox.ts'
import type { Replicas } from './replicas.ts'
import type { Reading } from './reading.ts'

/** What configuration decides of the semantics. */
export interface S3Options {
  /** The region that this store says it is in. */
  readonly region: string
  /** Bodies up to this many bytes are kept in the row itself (at most 64 KiB). */
  readonly inlineMaxBytes: number
  /** Most bytes of one PUT or part. */
  readonly putBytesMax: number
  /** Least bytes of a part that is not the last (S3: 5 MiB; 0 for tests and in-process users). */
  readonly partBytesMin: number
  /** Uploads begun longer ago than this are aborted by the sweep, in milliseconds; 0: never. */
  readonly abandonedUploadMs: number
  /**
   * `md5`: ETags of single-part objects are the MD5 of their bytes, as clients expect. `opaque`: they
   * are unique texts that no client mistakes for an MD5 (`…-0` suffix); a large PUT then costs half the CPU.
   */
  readonly etag: 'md5' | 'opaque'
  /** Where suites and old clients expect one thing and AWS does another today: `legacy` the one, `aws-2026` the other. */
  readonly compat: 'legacy' | 'aws-2026'
}

/** What every handler of `src/s3` works with. */
export interface Context {
  readonly metadata: MetadataStore
  readonly storage: ObjectStorage
  /** The same blobs, under the key of one object or upload. */
  readonly underKey: UnderKey
  readonly keyring: Keyring
  readonly clock: Clock
  readonly ids: Ids
  readonly options: S3Options
  readonly buckets: Buckets
  readonly configs: Configs
  readonly reading: Reading
  readonly policies: PolicyRules
  readonly people: People
  /** The way out to listeners. */
  readonly webhooks: Webhooks
  readonly outbox: Nudges
  /** The way out to other S3s. */
  readonly replicas: Replicas
  readonly replication: Nudges
  /**
   * A number that changes with every removal of rows of older versions, undefined while one is under way:
   * where no other process writes. Undefined always: nobody knows.
   */
  readonly versionRemovals: () => number | undefined
}
