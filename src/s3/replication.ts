/**
 * The worker that copies versions to other S3s, as their bucket's rules say (PutBucketReplication).
 *
 * What waits is a row of the outbox for each key and destination, written in the commit that made the
 * version (replicate.ts). Whoever takes one up claims it for a while, and claims it on while it works, so
 * that one gateway is at a key at a time; it copies the key's versions that are PENDING one after the other,
 * oldest first, for the last that arrives is the newest there. Then it writes into each that it is
 * COMPLETED. What could not be done is tried again, each time twice as late, for `giveUpMs`; then, and where
 * it never can be, the version is FAILED. A copy may be made twice, never too few.
 */
import type { ReplicationConfiguration } from '@aws-sdk/client-s3'
import type { Row } from '../../metadata/store.ts'
import { UNRESTRICTED } from '../api/access.ts'
import { S3Error } from '../api/error.ts'
import type { Call } from '../api/operations.ts'
import type { Counter, Meter } from '../lib/meter.ts'
import { readConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { getObject } from './get-object.ts'
import { NudgedRounds } from './nudged-rounds.ts'
import type { Replica } from './replicas.ts'
import { REPLICATION_ROWS, type Waiting } from './replicate.ts'
import { replicationRules, type Rule, rulesFor } from './replication-rules.ts'
import { type EventRow, readRow, scanRows, type VersionRow } from './rows.ts'
import { transact, type Tx } from './transact.ts'
import { chainRange, findInChain, publicId } from './version.ts'

export interface ReplicationOptions {
  readonly pollMs: number
  /** A key that a gateway is at is another's after this, unless it claims it again. */
  readonly claimMs: number
  /** The first repetition comes so much later; each next one twice as late, up to an hour. */
  readonly retryMs: number
  /** After this nothing is tried any more. */
  readonly giveUpMs: number
  readonly onError: (error: unknown) => void
}

export const REPLICATION_DEFAULTS: Omit<ReplicationOptions, 'onError'> = {
  pollMs: 5 * 60_000,
  claimMs: 60_000,
  retryMs: 2000,
  giveUpMs: 24 * 3_600_000,
}

const KEYS_AT_ONCE = 4
const ROWS_PER_PAGE = 100
const RETRY_MAX_MS = 3_600_000

/** One that can never be copied. */
class Impossible extends Error {
  override readonly name: string = 'Impossible'
}

/** A row that is ours for a while. */
interface Claimed {
  readonly bucket: string
  readonly sort: string
  readonly target: string
  readonly waiting: Waiting
  readonly since: number
  readonly tries: number
}

export class Replication {
  readonly #ctx: Context
  readonly #options: ReplicationOptions
  readonly #rounds: NudgedRounds
  readonly #copied: Counter
  readonly #failed: Counter

  constructor(ctx: Context, options: ReplicationOptions, meter: Meter) {
    this.#ctx = ctx
    this.#options = options
    const { pollMs, retryMs, onError } = options
    this.#rounds = new NudgedRounds(
      ctx,
      ctx.replication,
      { pollMs, restMs: retryMs, onError },
      (bucket, signal) => this.replicate(bucket, signal),
    )
    this.#copied = meter.counter(
      'sluice_replication_completed_total',
      'Versions copied to the destinations of their buckets',
    )
    this.#failed = meter.counter(
      'sluice_replication_failed_total',
      'Attempts to copy a version that failed',
    )
  }

  /** Begins to work by itself, until `stop`. */
  start(): void {
    this.#rounds.start()
  }

  /** Ends the work; resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    await this.#rounds.stop()
  }

  /** Copies all that is due in one bucket. */
  async replicate(bucket: string, signal: AbortSignal = this.#rounds.signal): Promise<void> {
    const underWay = new Set<Promise<unknown>>()
    let from: string = REPLICATION_ROWS.from
    for (;;) {
      const range = { from, to: REPLICATION_ROWS.to, limit: ROWS_PER_PAGE }
      const rows = await scanRows(this.#ctx.metadata, bucket, 'event', range)
      if (rows.length > 0) this.#rounds.isBusy(bucket)
      for (const row of rows) {
        if (signal.aborted) break
        const claimed = await this.#claim(bucket, row)
        if (claimed === undefined) continue
        const one: Promise<unknown> = this.#copyKey(claimed, signal).finally(() =>
          underWay.delete(one),
        )
        underWay.add(one)
        if (underWay.size >= KEYS_AT_ONCE) await Promise.race(underWay)
      }
      if (rows.length < ROWS_PER_PAGE || signal.aborted) break
      from = `${rows.at(-1)!.sort}\0`
    }
    await Promise.all(underWay)
  }

  /** Undefined: it is not due, or somebody was faster. */
  async #claim(bucket: string, row: Row<EventRow>): Promise<Claimed | undefined> {
    if (row.value.due > this.#ctx.clock.now()) return undefined
    return transact(this.#ctx.metadata, bucket, async (tx) => {
      const now = this.#ctx.clock.now()
      const value = (await tx.get('event', row.sort))?.value
      if (value === undefined || value.due > now) return undefined
      const tries = (value.tries ?? 0) + 1
      tx.put('event', row.sort, { ...value, due: now + this.#options.claimMs, tries })
      const waiting = value.event as Waiting
      return { bucket, sort: row.sort, target: value.to, waiting, since: value.t, tries }
    })
  }

  async #copyKey(claimed: Claimed, signal: AbortSignal): Promise<void> {
    const renewing = setInterval(() => {
      this.#putOff(claimed, this.#options.claimMs).catch(() => undefined)
    }, this.#options.claimMs / 3)
    renewing.unref()
    try {
      await this.#copyVersions(claimed, signal)
      await this.#settle(claimed)
    } catch (error) {
      if (signal.aborted) return
      this.#failed.add()
      this.#options.onError(error)
      await this.#retry(claimed, signal).catch(this.#options.onError)
    } finally {
      clearInterval(renewing)
    }
  }

  /** All versions of the key that wait for this destination, oldest first. */
  async #copyVersions(claimed: Claimed, signal: AbortSignal): Promise<void> {
    const { bucket, target, waiting } = claimed
    const { key } = waiting
    for (const { version, rule } of await this.#waitingVersions(claimed)) {
      signal.throwIfAborted()
      try {
        const remote = await this.#copy(claimed, version, rule, signal)
        if (await this.#note(bucket, key, version.q, target, remote)) this.#copied.add()
      } catch (error) {
        if (!(error instanceof Impossible)) throw error
        this.#failed.add()
        this.#options.onError(error)
        await this.#note(bucket, key, version.q, target, undefined)
      }
    }
  }

  async #waitingVersions({
    bucket,
    target,
    waiting: { key },
  }: Claimed): Promise<readonly { readonly version: VersionRow; readonly rule: Rule }[]> {
    const document = await readConfig(this.#ctx, bucket, 'replication').catch(ofNoBucket)
    if (document === undefined) return []
    const rules = replicationRules(document as unknown as ReplicationConfiguration)
    const head = await readRow(this.#ctx.metadata, bucket, 'object', key)
    if (head === undefined) return []
    const versions = [head.value]
    const { from: first, to } = chainRange(key)
    for (let from = first; head.value.older !== undefined;) {
      const range = { from, to, limit: ROWS_PER_PAGE }
      const rows = await scanRows(this.#ctx.metadata, bucket, 'version', range)
      for (const { value } of rows) versions.push(value)
      if (rows.length < ROWS_PER_PAGE) break
      from = `${rows.at(-1)!.sort}\0`
    }
    return versions
      .reverse()
      .filter(({ rp }) => rp === 'PENDING')
      .flatMap((version) => {
        const rule = rulesFor(rules, key, version).find((each) => each.target === target)
        return rule === undefined ? [] : [{ version, rule }]
      })
  }

  /** Gives the id that the version has there. */
  async #copy(
    { bucket, target, waiting: { key } }: Claimed,
    version: VersionRow,
    rule: Rule,
    signal: AbortSignal,
  ): Promise<string> {
    const { replicas } = this.#ctx
    const there = version.ro?.[target]
    if (there !== undefined) {
      // It has been copied: since then its tags have changed.
      if (version.d === undefined) await replicas.tag(target, key, there, version.tg ?? [], signal)
      return there
    }
    if (version.d === 1) return replicas.mark(target, key, signal)
    if (version.sse?.by === 'c') {
      throw new Impossible(
        `${bucket}/${key} is encrypted with its client's key: nobody else has it`,
      )
    }
    const replica = this.#replicaOf(bucket, key, version, rule, signal)
    return replicas.put(target, replica, signal)
  }

  #replicaOf(
    Bucket: string,
    key: string,
    version: VersionRow,
    { storageClass, kmsKeyId }: Rule,
    signal: AbortSignal,
  ): Replica {
    const call: Call = { requestId: '', requester: undefined, access: UNRESTRICTED, signal }
    const { by } = version.sse ?? {}
    const encryption =
      kmsKeyId !== undefined
        ? { method: 'aws:kms' as const, keyId: kmsKeyId }
        : by === undefined
          ? undefined
          : { method: by === 's3' ? ('AES256' as const) : ('aws:kms' as const) }
    return {
      key,
      size: version.s,
      headers: version.h ?? {},
      metadata: version.m ?? {},
      tags: version.tg ?? [],
      storageClass: storageClass ?? version.sc,
      checksum: version.k,
      encryption,
      parts: version.c?.n,
      read: async (PartNumber) => {
        const object = { Bucket, Key: key, VersionId: publicId(version) }
        const asked = PartNumber === undefined ? object : { ...object, PartNumber }
        const { Body, ContentLength = 0 } = await getObject(this.#ctx)(asked, call)
        return { body: Body ?? new Uint8Array(0), size: ContentLength }
      },
    }
  }

  /** Writes into the version what has become of it; `remote` undefined: it cannot be copied. False: it is gone. */
  #note(
    bucket: string,
    key: string,
    q: string,
    target: string,
    remote: string | undefined,
  ): Promise<boolean> {
    return transact(this.#ctx.metadata, bucket, async (tx) => {
      const found = await findByPlace(tx, key, q)
      if (found === undefined) return false
      const { value, sort, bytes } = found.row
      const ro = remote === undefined ? (value.ro ?? {}) : { ...value.ro, [target]: remote }
      const rp = remote === undefined ? 'FAILED' : await this.#stateOf(bucket, key, value, ro)
      tx.put(found.table, sort, { ...value, ro, rp }, bytes)
      return true
    })
  }

  /** COMPLETED once it is at all destinations that its bucket's rules name. */
  async #stateOf(
    bucket: string,
    key: string,
    version: VersionRow,
    ro: NonNullable<VersionRow['ro']>,
  ): Promise<NonNullable<VersionRow['rp']>> {
    if (version.rp === 'FAILED') return 'FAILED'
    const document = await readConfig(this.#ctx, bucket, 'replication')
    if (document === undefined) return 'COMPLETED'
    const rules = replicationRules(document as unknown as ReplicationConfiguration)
    const isAll = rulesFor(rules, key, version).every(({ target }) => ro[target] !== undefined)
    return isAll ? 'COMPLETED' : 'PENDING'
  }

  /** The row goes, unless more has been added to it meanwhile: then it is due again. */
  #settle({ bucket, sort, waiting }: Claimed): Promise<void> {
    return transact(this.#ctx.metadata, bucket, async (tx) => {
      const value = (await tx.get('event', sort))?.value
      if (value === undefined) return
      const isMore = (value.event as Waiting).n !== waiting.n
      if (isMore) tx.put('event', sort, { ...value, due: this.#ctx.clock.now(), tries: 0 })
      else tx.delete('event', sort)
    })
  }

  #putOff({ bucket, sort }: Claimed, ms: number): Promise<void> {
    return transact(this.#ctx.metadata, bucket, async (tx) => {
      const value = (await tx.get('event', sort))?.value
      if (value === undefined) return
      tx.put('event', sort, { ...value, due: this.#ctx.clock.now() + ms })
    })
  }

  /** Later again; where it has been tried for long enough, what waits is FAILED. */
  async #retry(claimed: Claimed, signal: AbortSignal): Promise<void> {
    const { bucket, target, waiting, since, tries } = claimed
    const { retryMs, giveUpMs } = this.#options
    if (this.#ctx.clock.now() - since < giveUpMs) {
      await this.#putOff(claimed, Math.min(retryMs * 2 ** (tries - 1), RETRY_MAX_MS))
      return
    }
    for (const { version } of await this.#waitingVersions(claimed)) {
      if (!signal.aborted) await this.#note(bucket, waiting.key, version.q, target, undefined)
    }
    await this.#settle(claimed)
  }
}

/** A bucket that is gone has nothing that waits. */
function ofNoBucket(error: unknown): undefined {
  if (error instanceof S3Error && error.code === 'NoSuchBucket') return undefined
  throw error
}

/** The version of that place in its chain, wherever it stands now. */
async function findByPlace(
  tx: Tx,
  key: string,
  q: string,
): Promise<Awaited<ReturnType<typeof findInChain>>> {
  const head = await tx.get('object', key)
  if (head?.value.q === q) return { table: 'object', row: head }
  return findInChain(tx, key, head, q)
}
