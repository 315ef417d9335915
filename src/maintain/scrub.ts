/**
 * The scrub: everything that is stored, read and compared with what the rows say of it.
 *
 * Three passes: the rows against each other (check-rows.ts), the rows against the blobs and shares there
 * are (check-blobs.ts), the bytes against their digests (check-bytes.ts). Nobody else may be at the
 * stores meanwhile. Nothing is changed, but for orphans where these are to be removed.
 */
import type { MetadataStore } from '../../metadata/store.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import type { Clock } from '../lib/ids.ts'
import { eachBucketPartition } from '../s3/partitions.ts'
import { readTrace } from '../s3/root.ts'
import { holderOfPart, readRow, shareSort, shares } from '../s3/rows.ts'
import { SWEEP_DEFAULTS } from '../s3/sweep.ts'
import { allRows } from './all-rows.ts'
import { atOnce } from './at-once.ts'
import { type BlobOrphan, checkBlobs, type Unnamed, WINDOW } from './check-blobs.ts'
import { type BytesCheck, checkContent, type ContentRow } from './check-bytes.ts'
import { checkRows, type Counted, uploadsIn } from './check-rows.ts'
import { halfDone } from './half-done.ts'
import { MaintenanceError } from './maintenance-error.ts'
import type { Place, Problem, ProblemKind, Report } from './problem.ts'
import type { Progress } from './progress.ts'

export interface ScrubParts {
  readonly metadata: MetadataStore
  readonly storage: ObjectStorage
  readonly clock: Clock
  /** Ends it: `scrub` then rejects with the signal's reason. */
  readonly signal: AbortSignal
  readonly progress: Progress
  /** Told of each problem as it is found. */
  readonly report: Report
}

export interface ScrubOptions {
  /** Only this one; none: all, and only then orphans can be told. */
  readonly bucket?: string
  /** Nothing is hashed. */
  readonly isQuick: boolean
  /** `old`: those that the sweep would remove too, by their age. They stay where rows are damaged. */
  readonly removes: 'none' | 'old' | 'all'
  /** Blobs and shares held in memory at a time. */
  readonly window?: number
}

export interface ScrubSummary {
  /** Objects, noncurrent versions, and parts of uploads under way. */
  readonly objects: number
  /** As their rows say. */
  readonly bytes: number
  /** Objects whose bytes could be read, and of which no digest is known. */
  readonly unproven: number
  /** By kind, orphans among them. */
  readonly problems: Readonly<Partial<Record<ProblemKind, number>>>
  /** Orphans that were removed: blobs and shares. */
  readonly removed: number
  /** Bytes of the blobs among them. */
  readonly removedBytes: number
  /** Orphans that were to be removed, and stayed. */
  readonly kept: { readonly young: number; readonly becauseOfDamage: number }
}

/** Rows read at once, with their content. */
const READS_AT_ONCE = 4
/** Rows remembered of which a loss was told; beyond, a loss may be told twice. */
const TOLD_MAX = 100_000
/** Kinds after which the bytes of the row cannot be read either. */
const LOSSES: ReadonlySet<ProblemKind> = new Set(['blob-missing', 'blob-short', 'page'])
const BLOBS_PER_DELETE = 1000

/** Rejects with `MaintenanceError` where the bucket that is named is not there. */
export async function scrub(parts: ScrubParts, options: ScrubOptions): Promise<ScrubSummary> {
  return new Scrub(parts, options).run()
}

class Scrub {
  readonly #parts: ScrubParts
  readonly #options: ScrubOptions
  readonly #problems: Partial<Record<ProblemKind, number>> = {}
  readonly #told = new Set<string>()
  readonly #counted: Counted = { objects: 0, parts: 0, bytes: 0 }
  readonly #removed = { count: 0, bytes: 0, young: 0, becauseOfDamage: 0 }
  #unproven = 0

  constructor(parts: ScrubParts, options: ScrubOptions) {
    this.#parts = parts
    this.#options = options
  }

  async run(): Promise<ScrubSummary> {
    await this.#checkThere()
    await this.#checkRows()
    await this.#checkBlobs()
    await this.#checkBytes()
    const { count, bytes, young, becauseOfDamage } = this.#removed
    return {
      objects: this.#counted.objects + this.#counted.parts,
      bytes: this.#counted.bytes,
      unproven: this.#unproven,
      problems: this.#problems,
      removed: count,
      removedBytes: bytes,
      kept: { young, becauseOfDamage },
    }
  }

  async #checkThere(): Promise<void> {
    const { bucket } = this.#options
    const { metadata } = this.#parts
    const half = await halfDone(metadata)
    if (half !== undefined) throw new MaintenanceError(half)
    if (bucket === undefined) return
    const isThere =
      (await readRow(metadata, bucket, 'bucket', '')) ?? (await readTrace(metadata, bucket))
    if (isThere === undefined) throw new MaintenanceError(`there is no bucket ${bucket}`)
  }

  async #checkRows(): Promise<void> {
    const { metadata, signal, progress } = this.#parts
    progress.begin('reading rows')
    const before = { ...this.#counted }
    for await (const partition of this.#partitions()) {
      await checkRows({ metadata, signal, report: this.#report }, partition, this.#counted)
      progress.add(this.#counted.objects - before.objects, 0)
      before.objects = this.#counted.objects
    }
  }

  async #checkBlobs(): Promise<void> {
    const { metadata, storage, signal, progress } = this.#parts
    const check = {
      metadata,
      storage,
      signal,
      progress,
      partitions: () => this.#partitions(),
      isWhole: this.#options.bucket === undefined,
      report: this.#report,
      window: this.#options.window ?? WINDOW,
    }
    await checkBlobs(check, (unnamed) => this.#dealWith(unnamed))
  }

  async #checkBytes(): Promise<void> {
    const { metadata, storage, signal, progress } = this.#parts
    const check: BytesCheck = {
      metadata,
      storage,
      signal,
      progress,
      isQuick: this.#options.isQuick,
      report: this.#report,
      isToldOf: (place) => this.#told.has(keyOf(place)),
    }
    const items = this.#counted.objects + this.#counted.parts
    const isRead = !this.#options.isQuick
    progress.begin('reading bytes', { items, ...(isRead && { bytes: this.#counted.bytes }) })
    await atOnce(this.#contents(), READS_AT_ONCE, async (row) => {
      const verdict = await checkContent(check, row)
      if (verdict === 'unproven') this.#unproven++
      progress.add(1, 0)
    })
  }

  async *#contents(): AsyncGenerator<ContentRow, void, undefined> {
    const { metadata, signal } = this.#parts
    for await (const partition of this.#partitions()) {
      for (const table of ['object', 'version'] as const) {
        for await (const { sort, value } of allRows(metadata, partition, table, signal)) {
          if (value.d === undefined) yield { place: { partition, table, sort }, value }
        }
      }
      const { live, annotations } = await uploadsIn({ metadata, signal }, partition)
      for await (const { sort, value } of allRows(metadata, partition, 'part', signal)) {
        const holder = holderOfPart(sort)
        const isLive = live.has(holder) || annotations.has(holder)
        if (isLive) yield { place: { partition, table: 'part', sort }, value }
      }
    }
  }

  /** Those of buckets, each once. */
  async *#partitions(): AsyncGenerator<string, void, undefined> {
    const { bucket } = this.#options
    if (bucket !== undefined) yield bucket
    else yield* eachBucketPartition(this.#parts.metadata)
  }

  readonly #report = (problem: Problem): void => {
    this.#problems[problem.kind] = (this.#problems[problem.kind] ?? 0) + 1
    const { place } = problem
    if (place !== undefined && LOSSES.has(problem.kind) && this.#told.size < TOLD_MAX)
      this.#told.add(keyOf(place))
    this.#parts.report(problem)
  }

  /** Removes orphans, or reports them. */
  async #dealWith({ blobs, shares: held }: Unnamed): Promise<void> {
    for (const { sort, blob, time } of held) {
      if (this.#mayRemove(time)) await this.#removeShare(blob, sort)
      else {
        const place: Place = { partition: shares(blob), table: 'share', sort }
        this.#report({ kind: 'orphan-share', place, blob, detail: 'nothing holds this share' })
      }
    }
    const free: BlobOrphan[] = []
    for (const orphan of blobs) {
      const { id, sizeBytes, time } = orphan
      if (this.#mayRemove(time) && !(await this.#isShared(id))) free.push(orphan)
      else {
        const since = new Date(time).toISOString()
        const detail = `nothing names its ${sizeBytes} bytes of ${since}`
        this.#report({ kind: 'orphan-blob', blob: id, detail })
      }
    }
    for (let index = 0; index < free.length; index += BLOBS_PER_DELETE) {
      const some = free.slice(index, index + BLOBS_PER_DELETE)
      await this.#parts.storage.delete(some.map(({ id }) => id))
      for (const { sizeBytes } of some) this.#removed.bytes += sizeBytes
      this.#removed.count += some.length
    }
  }

  #mayRemove(time: number): boolean {
    const { removes } = this.#options
    if (removes === 'none') return false
    // What a damaged row no longer names may be all that is left of an object.
    if (this.#problems.row !== undefined || this.#problems.page !== undefined) {
      this.#removed.becauseOfDamage++
      return false
    }
    const isOld = time < this.#parts.clock.now() - SWEEP_DEFAULTS.orphanAgeMs
    if (isOld || removes === 'all') return true
    this.#removed.young++
    return false
  }

  async #removeShare(blob: string, sort: string): Promise<void> {
    const writes = [{ table: 'share' as const, sort, value: null }]
    await this.#parts.metadata.commit({ partition: shares(blob), expects: [], writes })
    this.#removed.count++
  }

  async #isShared(blob: string): Promise<boolean> {
    const range = { from: shareSort(blob, ''), to: `${blob}/`, limit: 1 }
    return (await this.#parts.metadata.scan(shares(blob), 'share', range)).length > 0
  }
}

function keyOf({ partition, table, sort }: Place): string {
  return `${partition}/${table}/${sort}`
}
