/**
 * The worker that writes inventory reports (PutBucketInventoryConfiguration), as S3 does: gzip CSV files of
 * all objects, or versions, of a bucket, then a manifest that names them, then the manifest's MD5.
 *
 * A report goes through the heads a page at a time, with a rest after each. It is written file by file, and
 * what is written stands in a row of the bucket (bucket-turns.ts), so that a report that a gateway has begun
 * another one ends. It is no snapshot, nor is S3's: each key is listed as it is when its page is read.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { InventoryConfiguration, InventoryOptionalField } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { Counter, Meter } from '../lib/meter.ts'
import { afterPrefix } from '../lib/utf8.ts'
import { listConfigs } from './bucket-config.ts'
import { BucketTurns, type Turn } from './bucket-turns.ts'
import type { Context } from './context.ts'
import { expiresAt } from './expiration.ts'
import { bucketOfArn, turnName } from './inventory-config.ts'
import { lineWriter } from './inventory-line.ts'
import {
  checkReportTarget,
  type DataFile,
  type Inventory,
  ReportWriter,
} from './inventory-report.ts'
import { enteredPartitions } from './root.ts'
import { type BucketRow, scanRows, type VersionRow } from './rows.ts'
import { chainRange } from './version.ts'

export interface InventoryOptions {
  /** 86,400; less where tests cannot wait. A report is due when its day (or its seven) is over. */
  readonly secondsPerDay: number
  /** From one look at all buckets to the next, in milliseconds. */
  readonly intervalMs: number
  /** After each page of rows, so that requests come first. */
  readonly restMs: number
  readonly leaseMs: number
  /** Lines of one file. */
  readonly fileLines: number
  /** Told of a report that failed; it is tried again in the next round. */
  readonly onError: (error: unknown) => void
}

export const INVENTORY_DEFAULTS: Omit<InventoryOptions, 'onError'> = {
  secondsPerDay: 86_400,
  intervalMs: 3_600_000,
  restMs: 2,
  leaseMs: 300_000,
  fileLines: 100_000,
}

const ROWS_PER_PAGE = 250

/** How far a report has come: its files, and the key that the next one begins at. */
type Progress = { readonly files: readonly DataFile[]; readonly from: string }
type Report = Turn & Progress

export class Inventories {
  readonly #ctx: Context
  readonly #options: InventoryOptions
  readonly #turns: BucketTurns
  readonly #reports: Counter
  #stop = new AbortController()
  #running: Promise<unknown> | undefined

  constructor(ctx: Context, options: InventoryOptions, meter: Meter) {
    this.#ctx = ctx
    this.#options = options
    this.#turns = new BucketTurns(ctx, options.leaseMs)
    this.#reports = meter.counter('sluice_inventory_reports_total', 'Inventory reports written')
  }

  /** Begins to work by itself, until `stop`. */
  start(): void {
    if (this.#running !== undefined) return
    this.#stop = new AbortController()
    this.#running = this.#loop(this.#stop.signal)
  }

  /** Ends the work; resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    this.#running = undefined
  }

  /** Writes all reports whose time has come; gives their number. */
  async run(): Promise<number> {
    let written = 0
    for await (const bucket of enteredPartitions(this.#ctx.metadata)) {
      if (this.#stop.signal.aborted) break
      try {
        written += await this.#runBucket(bucket)
      } catch (error) {
        const isGone = error instanceof S3Error && error.code === 'NoSuchBucket'
        if (!isGone) this.#options.onError(error)
      }
    }
    this.#reports.add(written)
    return written
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.run()
      } catch (error) {
        if (!signal.aborted) this.#options.onError(error)
      }
      await sleep(this.#options.intervalMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  async #runBucket(bucket: string): Promise<number> {
    const { value: row } = await this.#ctx.buckets.read(bucket)
    if (!Object.keys(row.config ?? {}).some((name) => name.startsWith('inventory.'))) return 0
    let written = 0
    for (const [id, document] of await listConfigs(this.#ctx, bucket, 'inventory')) {
      const configuration = document as unknown as InventoryConfiguration
      if (configuration.IsEnabled !== true || this.#stop.signal.aborted) continue
      try {
        if (await this.#write(bucket, row, id, configuration)) written++
      } catch (error) {
        this.#options.onError(error)
      }
    }
    return written
  }

  /** True where a report has been brought to its end. */
  async #write(
    bucket: string,
    row: BucketRow,
    id: string,
    configuration: InventoryConfiguration,
  ): Promise<boolean> {
    const days = configuration.Schedule?.Frequency === 'Weekly' ? 7 : 1
    const everyMs = days * this.#options.secondsPerDay * 1000
    const fresh: Progress = { files: [], from: configuration.Filter?.Prefix ?? '' }
    const claimed = await this.#turns.claim(bucket, turnName(id), fresh, everyMs)
    if (claimed === undefined) return false
    const { Destination: destination, IncludedObjectVersions: versions } = configuration
    const target = bucketOfArn(destination?.S3BucketDestination?.Bucket)
    const fields: readonly InventoryOptionalField[] = configuration.OptionalFields ?? []
    const writer = lineWriter(versions === 'All', fields)
    const inventory = { bucket, row, id, configuration, target, writer }
    await checkReportTarget(this.#ctx, inventory)
    const report = new ReportWriter(this.#ctx, inventory, this.#stop.signal)
    const files = await this.#writeFiles(inventory, report, claimed)
    if (files === undefined) return false
    await report.manifest(claimed.begun, files)
    return this.#turns.note(bucket, turnName(id), { ...claimed, files: [], from: '', done: 1 })
  }

  /** All files of the report; undefined where another goes on with it, or we are to stop. */
  async #writeFiles(
    inventory: Inventory,
    report: ReportWriter,
    claimed: Report,
  ): Promise<readonly DataFile[] | undefined> {
    const files = [...claimed.files]
    let { from } = claimed
    for (;;) {
      const gathered = await this.#gather(inventory, claimed, from)
      if (gathered === undefined) return undefined
      if (gathered.lines.length > 0 || files.length === 0) {
        files.push(await report.data(gathered.lines))
      }
      if (gathered.next === undefined) return files
      from = gathered.next
      const { bucket, id } = inventory
      if (!(await this.#turns.note(bucket, turnName(id), { ...claimed, files, from }))) {
        return undefined
      }
    }
  }

  /** The lines of one file, and where the next one begins, if there is one. */
  async #gather(
    inventory: Inventory,
    claimed: Report,
    begin: string,
  ): Promise<{ readonly lines: readonly string[]; readonly next?: string } | undefined> {
    const { bucket, id, configuration } = inventory
    const to = afterPrefix(configuration.Filter?.Prefix ?? '')
    const lines: string[] = []
    let from = begin
    for (let pages = 1; ; pages++) {
      const range = { from, ...(to !== undefined && { to }), limit: ROWS_PER_PAGE }
      const rows = await scanRows(this.#ctx.metadata, bucket, 'object', range)
      for (const { sort: key, value } of rows) await this.#list(inventory, key, value, lines)
      if (rows.length < ROWS_PER_PAGE) return { lines }
      from = `${rows.at(-1)!.sort}\0`
      if (lines.length >= this.#options.fileLines) return { lines, next: from }
      await this.#rest()
      if (this.#stop.signal.aborted) return undefined
      // What is not written yet is gathered again by whoever goes on.
      const isOurs = pages % 20 !== 0 || (await this.#turns.note(bucket, turnName(id), claimed))
      if (!isOurs) return undefined
    }
  }

  /** The lines of one key. */
  async #list(inventory: Inventory, key: string, head: VersionRow, lines: string[]): Promise<void> {
    const isOfVersions = inventory.configuration.IncludedObjectVersions === 'All'
    if (!isOfVersions && head.d === 1) return
    lines.push(await this.#line(inventory, key, head, true))
    if (!isOfVersions || head.older === undefined) return
    const { from: first, to } = chainRange(key)
    for (let from = first; ;) {
      const range = { from, to, limit: ROWS_PER_PAGE }
      const rows = await scanRows(this.#ctx.metadata, inventory.bucket, 'version', range)
      for (const { value } of rows) lines.push(await this.#line(inventory, key, value, false))
      if (rows.length < ROWS_PER_PAGE) return
      from = `${rows.at(-1)!.sort}\0`
    }
  }

  async #line(
    { bucket, row, configuration, writer }: Inventory,
    key: string,
    version: VersionRow,
    isLatest: boolean,
  ): Promise<string> {
    const asksExpiry = configuration.OptionalFields?.includes('LifecycleExpirationDate') === true
    const expires =
      asksExpiry && isLatest && version.d === undefined
        ? await expiresAt(this.#ctx, row, bucket, key, version)
        : undefined
    return writer.line({ bucketName: bucket, bucket: row, key, version, isLatest, expires })
  }

  async #rest(): Promise<void> {
    const { signal } = this.#stop
    await sleep(this.#options.restMs, undefined, { signal, ref: false }).catch(() => {})
  }
}
