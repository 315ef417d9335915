/** The door of the S3 semantics: stores in, an S3 and its sweep out. */
import type { MetadataStore } from '../../metadata/store.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import type { CorsLookup } from '../api/cors.ts'
import type { Facts, PolicyRules } from '../api/facts.ts'
import type { S3Api } from '../api/operations.ts'
import type { People } from '../api/people.ts'
import type { WebsiteLookup } from '../api/website.ts'
import type { Clock, Ids } from '../lib/ids.ts'
import type { Meter } from '../lib/meter.ts'
import { AccessLog } from './access-log.ts'
import { Buckets } from './bucket.ts'
import { Configs } from './bucket-config.ts'
import { corsRules } from './bucket-cors.ts'
import { websiteOf } from './bucket-website.ts'
import type { BucketLease } from './bucket-lease.ts'
import type { Context, S3Options } from './context.ts'
import { createFacts } from './facts.ts'
import { type EncryptionParts, Keyring, NO_ENCRYPTION } from './keyring.ts'
import { Inventories, INVENTORY_DEFAULTS, type InventoryOptions } from './inventory.ts'
import { Lifecycle, LIFECYCLE_DEFAULTS, type LifecycleOptions } from './lifecycle.ts'
import {
  NO_WEBHOOKS,
  Outbox,
  OUTBOX_DEFAULTS,
  type OutboxOptions,
  type Webhooks,
} from './outbox.ts'
import { Nudges } from './nudged-rounds.ts'
import { Reading } from './reading.ts'
import { NO_REPLICAS, type Replicas } from './replicas.ts'
import { Replication, REPLICATION_DEFAULTS, type ReplicationOptions } from './replication.ts'
import { createS3 } from './service.ts'
import { Sweep, SWEEP_DEFAULTS, type SweepOptions } from './sweep.ts'

export interface S3Parts {
  readonly metadata: MetadataStore
  readonly storage: ObjectStorage
  /** None: nothing is encrypted. */
  readonly encryption?: EncryptionParts
  readonly clock: Clock
  readonly ids: Ids
  readonly options: S3Options
  readonly meter: Meter
  /** Where the engine wants it: see bucket-lease.ts. None: every write expects its bucket's row. */
  readonly lease?: BucketLease
  readonly policies: PolicyRules
  readonly people: People
  /** What differs from `SWEEP_DEFAULTS`, and who is told of rounds that failed. */
  readonly sweep: Partial<SweepOptions> & Pick<SweepOptions, 'onError'>
  /** What differs from `LIFECYCLE_DEFAULTS`; the same one is told of failures. */
  readonly lifecycle?: Partial<LifecycleOptions>
  /** What differs from `INVENTORY_DEFAULTS`. */
  readonly inventory?: Partial<InventoryOptions>
  /** None: no listener is told anything. */
  readonly webhooks?: Webhooks
  /** What differs from `OUTBOX_DEFAULTS`. */
  readonly outbox?: Partial<OutboxOptions>
  /** See `Context`; only where no other process writes. */
  readonly versionRemovals?: Context['versionRemovals']
  /** None: no bucket is copied elsewhere. */
  readonly replicas?: Replicas
  /** What differs from `REPLICATION_DEFAULTS`. */
  readonly replication?: Partial<ReplicationOptions>
  /** From one delivery of access logs to the next, in milliseconds. */
  readonly accessLogMs?: number
}

export interface S3 {
  readonly api: S3Api
  /** The rules by which buckets let web pages of other origins in. */
  readonly cors: CorsLookup
  /** What authorization asks. */
  readonly facts: Facts
  readonly website: WebsiteLookup
  /** Not started yet. */
  readonly sweep: Sweep
  /** Not started yet. */
  readonly lifecycle: Lifecycle
  /** Not started yet. */
  readonly inventories: Inventories
  /** Not started yet. */
  readonly outbox: Outbox
  /** Not started yet. */
  readonly replication: Replication
  /** Not started yet. */
  readonly accessLog: AccessLog
}

/** S3 delivers within hours; we within minutes. */
const ACCESS_LOG_MS = 5 * 60_000

/** Joins them; nothing is read or written until the first request. The stores stay the caller's to close. */
export function openS3(parts: S3Parts): S3 {
  const { metadata, storage, clock, ids, options, meter, sweep, lease, policies, people } = parts
  const buckets = new Buckets(metadata, clock, lease)
  const configs = new Configs(metadata)
  const reading = new Reading()
  const { underKey, keys } = parts.encryption ?? NO_ENCRYPTION
  const ctx: Context = {
    metadata,
    storage,
    underKey,
    keyring: new Keyring(keys),
    clock,
    ids,
    options,
    buckets,
    configs,
    reading,
    policies,
    people,
    webhooks: parts.webhooks ?? NO_WEBHOOKS,
    outbox: new Nudges(),
    replicas: parts.replicas ?? NO_REPLICAS,
    replication: new Nudges(),
    versionRemovals: parts.versionRemovals ?? (() => undefined),
  }
  return {
    api: createS3(ctx),
    cors: corsRules(ctx),
    facts: createFacts(ctx),
    website: websiteOf(ctx),
    sweep: new Sweep(ctx, { ...SWEEP_DEFAULTS, ...sweep }, meter),
    lifecycle: new Lifecycle(
      ctx,
      { ...LIFECYCLE_DEFAULTS, onError: sweep.onError, ...parts.lifecycle },
      meter,
    ),
    inventories: new Inventories(
      ctx,
      { ...INVENTORY_DEFAULTS, onError: sweep.onError, ...parts.inventory },
      meter,
    ),
    accessLog: new AccessLog(
      ctx,
      { intervalMs: parts.accessLogMs ?? ACCESS_LOG_MS, onError: sweep.onError },
      meter,
    ),
    replication: new Replication(
      ctx,
      { ...REPLICATION_DEFAULTS, onError: sweep.onError, ...parts.replication },
      meter,
    ),
    outbox: new Outbox(ctx, { ...OUTBOX_DEFAULTS, onError: sweep.onError, ...parts.outbox }, meter),
  }
}
