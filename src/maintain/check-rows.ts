/**
 * The rows of one bucket's partition, checked against themselves and each other: sizes add up, chains
 * of versions hang together, pages are there and named, parts and garbage belong to something.
 * Reads no blob, and of inlined bytes nothing (check-bytes.ts does).
 */
import type { MetadataStore, Row } from '../../metadata/store.ts'
import { isUlid } from '../lib/ulid.ts'
import { readEntry } from '../s3/root.ts'
import {
  type Content,
  type Extent,
  type GarbageRow,
  holderOfPart,
  readRow,
  type StoredPart,
  type UploadsRow,
  type VersionRow,
} from '../s3/rows.ts'
import { chainRange } from '../s3/version.ts'
import { allRows } from './all-rows.ts'
import type { Place, ProblemKind, Report } from './problem.ts'

/** Sort keys of pages held in memory at a time. */
const PAGES_WINDOW = 50_000

export interface RowCheck {
  readonly metadata: MetadataStore
  readonly signal: AbortSignal
  readonly report: Report
}

/** What there is in a partition. */
export interface Counted {
  /** Objects and noncurrent versions, without delete markers. */
  objects: number
  /** Parts of uploads under way, and annotations. */
  parts: number
  /** Of both, as their rows say. */
  bytes: number
}

/** Checks all rows of the partition; adds what it counts to `counted`. */
export async function checkRows(
  check: RowCheck,
  partition: string,
  counted: Counted,
): Promise<void> {
  await checkBucket(check, partition)
  await checkVersions(check, partition, counted)
  const uploads = await uploadsIn(check, partition)
  await checkParts(check, partition, uploads, counted)
  await checkPages(check, partition, uploads)
}

/** What rows of `part` belong to: uploads and sets of annotations, by their ids; and the manifests whose pages were written ahead. */
export interface Uploads {
  readonly live: ReadonlySet<string>
  /** Sets of annotations that versions name. */
  readonly annotations: ReadonlySet<string>
  readonly ended: ReadonlySet<string>
  readonly drafts: ReadonlySet<string>
}

/** The uploads that parts may belong to: those under way, and those that the sweep is going to take. */
export async function uploadsIn(
  { metadata, signal }: Pick<RowCheck, 'metadata' | 'signal'>,
  partition: string,
): Promise<Uploads> {
  const live = new Set<string>()
  const drafts = new Set<string>()
  for await (const { value } of allRows(metadata, partition, 'upload', signal)) {
    for (const [id, upload] of Object.entries((value as Partial<UploadsRow>).u ?? {})) {
      live.add(id)
      for (const manifest of upload.drafts ?? []) drafts.add(manifest)
    }
  }
  const ended = new Set<string>()
  for await (const { value } of allRows(metadata, partition, 'garbage', signal)) {
    if (value.upload !== undefined) ended.add(value.upload)
  }
  const annotations = new Set<string>()
  for (const table of ['object', 'version'] as const) {
    for await (const { value } of allRows(metadata, partition, table, signal)) {
      if (value.an !== undefined) annotations.add(value.an[0])
    }
  }
  return { live, annotations, ended, drafts }
}

async function checkBucket({ metadata, report }: RowCheck, partition: string): Promise<void> {
  const row = await readRow(metadata, partition, 'bucket', '')
  if (row === undefined && (await readEntry(metadata, partition)) !== undefined) {
    const place: Place = { partition, table: 'bucket', sort: '' }
    report({ kind: 'row', place, detail: 'the bucket is listed, and its own row is missing' })
  }
}

async function checkVersions(check: RowCheck, partition: string, counted: Counted): Promise<void> {
  const { metadata, signal } = check
  let chained = 0
  for await (const row of allRows(metadata, partition, 'object', signal)) {
    await checkVersion(check, { partition, table: 'object', sort: row.sort }, row.value, counted)
    chained += await checkChain(check, partition, row)
  }
  let versions = 0
  for await (const row of allRows(metadata, partition, 'version', signal)) {
    versions++
    await checkVersion(check, { partition, table: 'version', sort: row.sort }, row.value, counted)
  }
  if (versions !== chained) await reportStrays(check, partition)
}

/** The noncurrent versions of a key, against what its head says of them; gives their number. */
async function checkChain(
  { metadata, signal, report }: RowCheck,
  partition: string,
  { sort: key, value: head }: Row<VersionRow>,
): Promise<number> {
  if (head.older === undefined) return 0
  const place: Place = { partition, table: 'object', sort: key }
  let count = 0
  let nullQ: string | undefined
  let last = head.q
  for await (const { sort, value } of allRows(
    metadata,
    partition,
    'version',
    signal,
    chainRange(key),
  )) {
    count++
    if (value.v === 'null') nullQ = value.q
    if (!sort.endsWith(`.${value.q}`) || value.q <= last) {
      report({ kind: 'row', place, detail: `its version ${value.q} stands out of order` })
    }
    last = value.q
  }
  if (count === 0) report({ kind: 'row', place, detail: 'its older versions are missing' })
  if (head.nq !== nullQ) {
    report({ kind: 'row', place, detail: `its null version is ${nullQ ?? 'missing'}` })
  }
  return count
}

/** Names the versions that no head leads to. */
async function reportStrays(
  { metadata, signal, report }: RowCheck,
  partition: string,
): Promise<void> {
  const chains = new Set<string>()
  for await (const { sort, value } of allRows(metadata, partition, 'object', signal)) {
    if (value.older !== undefined) chains.add(chainRange(sort).from)
  }
  for await (const { sort } of allRows(metadata, partition, 'version', signal)) {
    if (chains.has(sort.slice(0, sort.indexOf('.') + 1))) continue
    const place: Place = { partition, table: 'version', sort }
    report({ kind: 'row', place, detail: 'no object has this version: its key is lost' })
  }
}

async function checkVersion(
  check: RowCheck,
  place: Place,
  version: VersionRow,
  counted: Counted,
): Promise<void> {
  const wrong = (detail: string, kind: ProblemKind = 'row'): void =>
    check.report({ kind, place, detail })
  if (!isVersion(version)) {
    wrong('the row is none of an object')
    return
  }
  if (version.d !== undefined) return
  counted.objects++
  counted.bytes += version.s
  const { c } = version
  if (c === undefined) return
  if (c.x !== undefined) {
    checkSum(wrong, 'its extents', lengthOf(c.x), version.s)
    return
  }
  const sums = { parts: 0, bytes: 0, lastPart: 0 }
  for (const part of c.p ?? []) addPart(wrong, sums, part)
  if (c.g !== undefined && !(await addPages(check, place.partition, wrong, sums, c))) return
  checkSum(wrong, 'its parts', sums.bytes, version.s)
  if (c.n !== sums.parts) wrong(`it says that it has ${c.n} parts, and has ${sums.parts}`)
}

function isVersion(value: VersionRow): boolean {
  return (
    typeof value.q === 'string' &&
    typeof value.t === 'number' &&
    typeof value.e === 'string' &&
    Number.isSafeInteger(value.s) &&
    value.s >= 0
  )
}

type Wrong = (detail: string, kind?: ProblemKind) => void

interface Sums {
  parts: number
  bytes: number
  lastPart: number
}

function addPart(wrong: Wrong, sums: Sums, [number, size, , extents]: StoredPart): void {
  checkSum(wrong, `the extents of part ${number}`, lengthOf(extents), size)
  if (number <= sums.lastPart) wrong(`part ${number} stands behind part ${sums.lastPart}`)
  sums.parts++
  sums.bytes += size
  sums.lastPart = number
}

/** False where pages are missing. */
async function addPages(
  { metadata }: RowCheck,
  partition: string,
  wrong: Wrong,
  sums: Sums,
  { g = [] }: Content,
): Promise<boolean> {
  let isWhole = true
  for (const [sort, firstPart, firstByte] of g) {
    const page = await readRow(metadata, partition, 'page', sort)
    if (page === undefined) {
      wrong(`page ${sort} of its parts is missing: bytes from ${firstByte} on are lost`, 'page')
      isWhole = false
      continue
    }
    const begins = page.value.p[0]?.[0] === firstPart && (!isWhole || sums.bytes === firstByte)
    if (!begins) wrong(`page ${sort} does not begin with part ${firstPart} at byte ${firstByte}`)
    for (const part of page.value.p) addPart(wrong, sums, part)
  }
  return isWhole
}

function checkSum(wrong: Wrong, what: string, sum: number, size: number): void {
  if (sum !== size) wrong(`${what} hold ${sum} bytes, and its size is ${size}`)
}

function lengthOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, [, start, end]) => sum + (end - start), 0)
}

async function checkParts(
  { metadata, signal, report }: RowCheck,
  partition: string,
  uploads: Uploads,
  counted: Counted,
): Promise<void> {
  for (const id of uploads.ended) {
    if (!uploads.live.has(id) && !uploads.annotations.has(id)) continue
    const place: Place = { partition, table: 'garbage', sort: id }
    report({ kind: 'row', place, detail: 'the sweep will take the parts of an upload under way' })
  }
  for await (const { sort, value } of allRows(metadata, partition, 'part', signal)) {
    const place: Place = { partition, table: 'part', sort }
    const holder = holderOfPart(sort)
    if (uploads.annotations.has(holder) || uploads.live.has(holder)) {
      counted.parts++
      counted.bytes += value.s
      if (value.x === undefined) continue
      checkSum(
        (detail) => report({ kind: 'row', place, detail }),
        'its extents',
        lengthOf(value.x),
        value.s,
      )
    } else if (!uploads.ended.has(holder)) {
      report({ kind: 'row', place, detail: 'its upload is neither under way nor in the garbage' })
    }
  }
  for await (const { sort, value } of allRows(metadata, partition, 'garbage', signal)) {
    if (isUlid(sort) && isGarbage(value)) continue
    const place: Place = { partition, table: 'garbage', sort }
    report({ kind: 'row', place, detail: 'the sweep cannot make anything of this garbage' })
  }
}

function isGarbage({ x, pages, upload }: GarbageRow): boolean {
  return x !== undefined || pages !== undefined || upload !== undefined
}

/** Pages that nothing names. */
async function checkPages(
  { metadata, signal, report }: RowCheck,
  partition: string,
  { drafts }: Uploads,
): Promise<void> {
  let window = new Set<string>()
  const close = async (): Promise<void> => {
    if (window.size === 0) return
    for (const table of ['object', 'version'] as const) {
      for await (const { value } of allRows(metadata, partition, table, signal)) {
        for (const [sort] of value.c?.g ?? []) window.delete(sort)
      }
    }
    for await (const { value } of allRows(metadata, partition, 'garbage', signal)) {
      for (const sort of value.pages ?? []) window.delete(sort)
    }
    for (const sort of window) {
      const place: Place = { partition, table: 'page', sort }
      report({ kind: 'orphan-page', place, detail: 'no object has these parts' })
    }
    window = new Set()
  }
  for await (const { sort } of allRows(metadata, partition, 'page', signal)) {
    if (drafts.has(sort.slice(0, sort.lastIndexOf('.')))) continue
    window.add(sort)
    if (window.size === PAGES_WINDOW) await close()
  }
  await close()
}
