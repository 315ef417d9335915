/**
 * Rows against blobs, and holders against share rows, in both directions: what a row names is there and
 * long enough, what is there is named. Nobody else may be at the stores.
 *
 * Memory is bounded by windows: some of the blobs and shares there are, in their order, are held, and all
 * rows are read past them. An extent belongs to the window whose ids it falls between, so that each
 * is looked at once, and one whose blob is missing is missed by exactly one window.
 */
import type { MetadataStore } from '../../metadata/store.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import { ulidTime } from '../lib/ulid.ts'
import { sharePartitions } from '../s3/partitions.ts'
import { type Extent, shareSort, shares } from '../s3/rows.ts'
import { allRows } from './all-rows.ts'
import { namings, type Naming } from './named-extents.ts'
import type { Place, Report } from './problem.ts'
import type { Progress } from './progress.ts'

/** Blobs, and shares, held at a time: some 50 MiB. */
export const WINDOW = 250_000

export interface BlobCheck {
  readonly metadata: MetadataStore
  readonly storage: ObjectStorage
  /** The partitions whose rows are read. */
  partitions(): AsyncIterable<string>
  /** These are all there are: then what they do not name is an orphan. */
  readonly isWhole: boolean
  readonly signal: AbortSignal
  readonly report: Report
  readonly progress: Progress
  readonly window: number
}

/** What nothing names. */
export interface Unnamed {
  /** Blob ids, ascending. */
  readonly blobs: readonly BlobOrphan[]
  readonly shares: readonly ShareOrphan[]
}

export interface BlobOrphan {
  readonly id: string
  readonly sizeBytes: number
  /** When it was begun, epoch ms. */
  readonly time: number
}

export interface ShareOrphan {
  readonly sort: string
  readonly blob: string
  readonly time: number
}

/** Checks everything; tells each window's orphans to `orphans`. */
export async function checkBlobs(
  check: BlobCheck,
  orphans: (unnamed: Unnamed) => Promise<void>,
): Promise<void> {
  const blobs = new Feed(blobsOf(check), check.window)
  const held = new Feed(sharesOf(check), check.window)
  while (blobs.hasMore || held.hasMore) {
    const window: Held = { blobs: await blobs.next(), shares: await held.next() }
    check.progress.begin('matching rows and blobs')
    let row = { place: undefined as Place | undefined, number: 0 }
    for await (const partition of check.partitions()) {
      for await (const naming of namings(check.metadata, partition, check.signal)) {
        const { table, sort } = naming.place
        const isSame = row.place?.table === table && row.place.sort === sort
        if (!isSame || row.place?.partition !== partition) {
          row = { place: naming.place, number: row.number + 1 }
          check.progress.add(1, 0)
        }
        for (const extent of naming.extents) look(check, window, naming, row.number, extent)
      }
    }
    if (check.isWhole) await orphans(unnamedIn(window))
  }
}

interface Held {
  readonly blobs: Window<HeldBlob>
  readonly shares: Window<HeldShare>
}

interface HeldBlob {
  readonly size: number
  isNamed: boolean
  /** Number of the row that holds it alone, and of one that shares it; 0: none yet. */
  alone: number
  sharing: number
  isTold: boolean
}

interface HeldShare {
  readonly sort: string
  readonly time: number
  isNamed: boolean
}

function look(
  { report }: BlobCheck,
  held: Held,
  { place, as }: Naming,
  row: number,
  [id, , end, ref]: Extent,
): void {
  const lives = as === 'lives'
  if (held.blobs.covers(id)) {
    const blob = held.blobs.items.get(id)
    if (blob !== undefined) {
      blob.isNamed = true
      if (lives && end > blob.size) {
        const detail = `blob ${id} has ${blob.size} bytes, and ${end} are wanted`
        report({ kind: 'blob-short', place, blob: id, detail })
      }
      if (as !== 'passes' && isHeldTwice(blob, row, ref) && !blob.isTold) {
        blob.isTold = true
        const detail = `blob ${id} is held by another row too, and they do not share it`
        report({ kind: 'held-twice', place, blob: id, detail })
      }
    } else if (lives) {
      report({ kind: 'blob-missing', place, blob: id, detail: `blob ${id} is missing` })
    }
  }
  if (ref === undefined || !held.shares.covers(shareKey(id, ref))) return
  const share = held.shares.items.get(shareKey(id, ref))
  if (share !== undefined) share.isNamed = true
  else if (lives) {
    const detail = `it holds a share of blob ${id} for which there is no row`
    report({ kind: 'share', place, blob: id, detail })
  }
}

/** Whether a second row holds the blob, and one of the two does not share it. */
function isHeldTwice(blob: HeldBlob, row: number, ref: string | undefined): boolean {
  const { alone, sharing } = blob
  if (ref === undefined) blob.alone = row
  else blob.sharing = row
  const others = ref === undefined ? [alone, sharing] : [alone]
  return others.some((other) => other !== 0 && other !== row)
}

function unnamedIn({ blobs, shares }: Held): Unnamed {
  const unnamed = { blobs: [] as BlobOrphan[], shares: [] as ShareOrphan[] }
  for (const [id, { size, isNamed }] of blobs.items) {
    if (!isNamed) unnamed.blobs.push({ id, sizeBytes: size, time: ulidTime(id) })
  }
  for (const { sort, time, isNamed } of shares.items.values()) {
    if (!isNamed) unnamed.shares.push({ sort, time, blob: blobOfShare(sort) })
  }
  return unnamed
}

function blobOfShare(sort: string): string {
  return sort.slice(0, sort.indexOf('.'))
}

/** Orders shares as their partitions are walked. */
function shareKey(blob: string, ref: string): string {
  return shares(blob) + shareSort(blob, ref)
}

async function* blobsOf({ storage, signal }: BlobCheck): AsyncGenerator<[string, HeldBlob]> {
  for await (const { id, size } of storage.list('')) {
    signal.throwIfAborted()
    yield [id, { size, isNamed: false, alone: 0, sharing: 0, isTold: false }]
  }
}

async function* sharesOf({
  metadata,
  signal,
  report,
}: BlobCheck): AsyncGenerator<[string, HeldShare]> {
  for (const partition of sharePartitions()) {
    for await (const { sort, value } of allRows(metadata, partition, 'share', signal)) {
      const blob = blobOfShare(sort)
      if (shares(blob) === partition) {
        yield [partition + sort, { sort, time: value.t, isNamed: false }]
      } else {
        const place: Place = { partition, table: 'share', sort }
        report({ kind: 'row', place, detail: 'the share row stands in a partition not its own' })
      }
    }
  }
}

/** Some of the items of an ascending feed, and the range of keys that they cover. */
class Window<T> {
  readonly items: ReadonlyMap<string, T>
  readonly #after: string
  /** Undefined: there is nothing above. */
  readonly #to: string | undefined

  constructor(items: ReadonlyMap<string, T>, after: string, to: string | undefined) {
    this.items = items
    this.#after = after
    this.#to = to
  }

  covers(key: string): boolean {
    return key > this.#after && (this.#to === undefined || key <= this.#to)
  }
}

/** Windows of an ascending feed, which together cover all keys. */
class Feed<T> {
  readonly #source: AsyncIterator<[string, T]>
  readonly #most: number
  #after = ''
  hasMore = true

  constructor(source: AsyncGenerator<[string, T]>, most: number) {
    this.#source = source
    this.#most = most
  }

  /** Where there is no more: one that covers nothing. */
  async next(): Promise<Window<T>> {
    const items = new Map<string, T>()
    if (!this.hasMore) return new Window(items, '', '')
    let last = this.#after
    while (items.size < this.#most) {
      const step = await this.#source.next()
      if (step.done === true) {
        this.hasMore = false
        break
      }
      last = step.value[0]
      items.set(...step.value)
    }
    const window = new Window(items, this.#after, this.hasMore ? last : undefined)
    this.#after = last
    return window
  }
}
