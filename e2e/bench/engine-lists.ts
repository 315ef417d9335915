/**
 * Goals of listings: a range of an engine against the bare driver's, and folders of many keys against
 * folders of few. Both go through what a gateway goes through, but for HTTP.
 */
import { copyFileSync, existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { type MetadataOptions, openMetadata } from '../../metadata/open.ts'
import type { MetadataStore } from '../../metadata/store.ts'
import { CODES } from '../../metadata/table-codes.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { SortedMap } from '../../src/lib/sorted-map.ts'
import { openStorage } from '../../storage/open.ts'
import { apiOf, CALL, fillBucket } from './api.ts'
import type { Scale } from './engine-rows.ts'
import { type Cost, costOf, type Goal, inTurn, median, ratioOf, us } from './goals.ts'

const KEYS = 1_000_000
const FEW = 1000
const FOLDERS = 100
const PAGE = 1000
export const VAST = 'vast'
const SLIGHT = 'slight'

/** `count` keys in a hundred folders. */
export function folderKey(count: number): (i: number) => string {
  const each = Math.max(1, count / FOLDERS)
  const folder = (i: number): string => String(Math.floor(i / each)).padStart(4, '0')
  return (i) => `folder-${folder(i)}/object-${String(i).padStart(8, '0')}`
}

export async function listGoals(scale: Scale): Promise<Goal[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  try {
    const path = (name: string): string => join(folder, name)
    return [
      ...(await embedded('memory', { engine: 'memory' }, scale)),
      ...(await embedded('jsonl', { engine: 'jsonl', path: path('lines') }, scale)),
      ...(await embedded('sqlite', { engine: 'sqlite', path: path('rows.db') }, scale)),
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function embedded(
  name: string,
  options: MetadataOptions & { path?: string },
  scale: Scale,
): Promise<Goal[]> {
  const count = Math.max(FEW, KEYS * scale.part)
  let store = await openMetadata(options, SILENT)
  try {
    await fillBoth(store, count)
    let bare: BareRange
    if (name === 'sqlite') {
      await store[Symbol.asyncDispose]()
      bare = sqliteRange(options.path!)
      store = await openMetadata(options, SILENT)
    } else bare = mapRange(count)
    return [
      await rangeGoal(name, store, bare, count, scale),
      await folderGoal(name, store, count, scale),
    ]
  } finally {
    await store[Symbol.asyncDispose]()
  }
}

export async function fillBoth(store: MetadataStore, count: number): Promise<void> {
  await using storage = await openStorage({ engine: 'memory' }, SILENT)
  const api = apiOf(store, storage)
  await fillBucket(store, api, VAST, count, folderKey(count))
  await fillBucket(store, api, SLIGHT, FEW, folderKey(FEW))
}

/** Reads a page of the vast bucket from a key on; answers its length. */
type BareRange = (from: string) => number | Promise<number>

/** What engines in memory stand on: nothing is read faster there. */
function mapRange(count: number): BareRange {
  const map = new SortedMap<{ readonly sort: string }>()
  const keyOf = folderKey(count)
  for (let i = 0; i < count; i++) map.set(keyOf(i), { sort: keyOf(i) })
  return (from) => map.slice(from, undefined, PAGE).length
}

/** The driver alone, on a copy: the file is locked while the engine has it. */
function sqliteRange(file: string): BareRange {
  const copy = `${file}.bare`
  for (const end of ['', '-wal']) if (existsSync(file + end)) copyFileSync(file + end, copy + end)
  const rows = new Sqlite(copy)
    .prepare(
      `SELECT sort, rev, value FROM row WHERE partition = ? AND tbl = ? AND sort >= ? ORDER BY sort LIMIT ${PAGE}`,
    )
    .raw()
  return (from) => rows.all(VAST, CODES.object, from).length
}

export async function rangeGoal(
  name: string,
  store: MetadataStore,
  bare: BareRange,
  count: number,
  { rounds, part }: Scale,
): Promise<Goal> {
  const pages = Math.max(5, Math.ceil(500 * part))
  const keyOf = folderKey(count)
  const read = (range: BareRange) => (): Promise<Cost> =>
    costOf(pages, async () => {
      for (let i = 0; i < pages; i++) {
        const found = await range(keyOf((i * 7919) % Math.max(1, count - PAGE)))
        if (found !== PAGE && count > PAGE) throw new Error(`a page of ${found}`)
      }
    })
  const scan: BareRange = async (from) =>
    (await store.scan(VAST, 'object', { from, limit: PAGE })).length
  const [ours, theirs] = await inTurn(rounds, [read(scan), read(bare)])
  const key = name === 'postgres' ? 'wallUs' : 'cpuUs'
  return {
    name: `${name}: ${PAGE} rows of ${count.toLocaleString('en')}, over the bare range`,
    measured: ratioOf(ours!, theirs!, key),
    unit: 'x',
    atMost: 3,
    of: `engine ${us(ours!, key)}, bare ${us(theirs!, key)}`,
  }
}

/** ListObjectsV2 with a delimiter: the same hundred common prefixes. */
export async function folderGoal(
  name: string,
  store: MetadataStore,
  count: number,
  { rounds, part }: Scale,
): Promise<Goal> {
  await using storage = await openStorage({ engine: 'memory' }, SILENT)
  const api = apiOf(store, storage)
  const pages = Math.max(3, Math.ceil(200 * part))
  const list = (bucket: string) => (): Promise<Cost> =>
    costOf(pages, async () => {
      for (let i = 0; i < pages; i++) {
        const page = await api.ListObjectsV2!({ Bucket: bucket, Delimiter: '/' }, CALL)
        if (page.CommonPrefixes?.length !== FOLDERS) throw new Error('folders are missing')
      }
    })
  const [vast, slight] = await inTurn(rounds, [list(VAST), list(SLIGHT)])
  const ms = (costs: readonly Cost[]): string =>
    `${(median(costs.map(({ wallUs }) => wallUs)) / 1000).toFixed(2)} ms`
  return {
    name: `${name}: a page of ${FOLDERS} folders of ${count.toLocaleString('en')} keys, over one of ${FEW.toLocaleString('en')}`,
    measured: ratioOf(vast!, slight!, 'wallUs'),
    unit: 'x',
    atMost: 2,
    of: `${ms(vast!)} and ${ms(slight!)}`,
  }
}
