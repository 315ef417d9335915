/** Exports and imports: what is read back is what was there, and a stream that is not whole changes nothing. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import type { Commit, Json, MetadataStore, Table } from '../../metadata/store.ts'
import { allPartitions } from '../s3/partitions.ts'
import { TABLES } from './all-rows.ts'
import { exportRows } from './export-rows.ts'
import { importRows, type ImportSummary, type RowsImport } from './import-rows.ts'
import { readImport } from './import-state.ts'
import { UNWATCHED } from './progress.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-rows-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0

async function put(
  store: MetadataStore,
  partition: string,
  table: Table,
  sort: string,
  value: Json,
  bytes?: Uint8Array,
): Promise<void> {
  const write = { table, sort, value, ...(bytes && { bytes }) }
  await store.commit({ partition, expects: [], writes: [write] })
}

/** Rows of all places that there are, and of the awkward kind. */
async function filled(): Promise<MemoryStore> {
  const store = new MemoryStore()
  await put(store, '', 'bucket', 'photos', { t: 1 })
  await put(store, '', 'garbage', 'old', { t: 2 })
  await put(store, 'old', 'garbage', 'id', { x: [] })
  await put(store, '~ZZ', 'share', 'blobZZ.ref', { t: 3 })
  for (let i = 0; i < 300; i++)
    await put(store, 'photos', 'object', `key ${i}\0\u{2028}\u{1f600}"`, { n: i, s: '\ud800' })
  for (const size of [0, 1, 65_536])
    await put(store, 'photos', 'part', `of ${size}`, [null], new Uint8Array(size).fill(size + 7))
  return store
}

async function exported(store: MetadataStore): Promise<string> {
  const file = join(folder, `${++files}.jsonl`)
  const chunks: Buffer[] = []
  await exportRows({
    metadata: store,
    write: async (chunk) => void chunks.push(chunk),
    nowMs: 0,
    signal: new AbortController().signal,
    progress: UNWATCHED,
  })
  writeFileSync(file, Buffer.concat(chunks))
  return file
}

function imported(
  metadata: MetadataStore,
  file: string,
  options: Partial<RowsImport> = {},
): Promise<ImportSummary> {
  return importRows({
    metadata,
    file,
    sizeBytes: readFileSync(file).length,
    mode: 'fresh',
    takesBodies: true,
    replacesRows: false,
    nowMs: 0,
    signal: new AbortController().signal,
    progress: UNWATCHED,
    ...options,
  })
}

/** Everything that is in a store, without revs. */
async function contentOf(store: MetadataStore): Promise<unknown[]> {
  const content: unknown[] = []
  for await (const partition of allPartitions(store))
    for (const table of TABLES)
      for (const { sort } of await store.scan(partition, table, { from: '', limit: 1001 })) {
        const { value, bytes } = (await store.get(partition, table, sort))!
        content.push([partition, table, sort, value, bytes && Buffer.from(bytes).toString('hex')])
      }
  return content
}

const one = async (sort: string, value: Json): Promise<MemoryStore> => {
  const store = new MemoryStore()
  await put(store, '', 'bucket', sort, value)
  return store
}

test('what was exported is imported, to the byte', async () => {
  const store = await filled()
  const target = new MemoryStore()
  const file = await exported(store)
  expect(await imported(target, file)).toEqual({ rows: 307, written: 307, kept: 0, removed: 0 })
  expect(await contentOf(target)).toEqual(await contentOf(store))
  const [header, line] = readFileSync(file, 'utf8').split('\n')
  expect(header).toBe(
    '{"format":"sluice-rows","version":1,"engine":"memory","exported":"1970-01-01T00:00:00.000Z"}',
  )
  expect(line).toBe('{"partition":"","table":"bucket","sort":"photos","value":{"t":1}}')
})

test('an empty store is exported and imported too', async () => {
  const target = new MemoryStore()
  expect(await imported(target, await exported(new MemoryStore()))).toMatchObject({ rows: 0 })
})

describe('where there are rows already', () => {
  test('without a word about them nothing is done', async () => {
    const target = await one('own', { own: 1 })
    const before = await contentOf(target)
    await expect(imported(target, await exported(await filled()))).rejects.toThrow(/--merge/)
    expect(await contentOf(target)).toEqual(before)
  })

  test('merged, those stay as they are, unless they are to be replaced', async () => {
    const file = await exported(await filled())
    const target = await one('photos', { own: 1 })
    await put(target, '', 'bucket', 'own', { own: 1 })
    expect(await imported(target, file, { mode: 'merge' })).toMatchObject({ written: 306, kept: 1 })
    expect((await target.get('', 'bucket', 'photos'))?.value).toEqual({ own: 1 })
    await imported(target, file, { mode: 'merge', replacesRows: true })
    expect((await target.get('', 'bucket', 'photos'))?.value).toEqual({ t: 1 })
    expect((await target.get('', 'bucket', 'own'))?.value).toEqual({ own: 1 })
  })

  test('replaced, they are gone', async () => {
    const source = await one('new', { t: 1 })
    const target = await filled()
    const summary = await imported(target, await exported(source), { mode: 'replace' })
    expect(summary).toEqual({ rows: 1, written: 1, kept: 0, removed: 307 })
    expect(await contentOf(target)).toEqual(await contentOf(source))
    for (const [partition, table] of [
      ['photos', 'object'],
      ['photos', 'part'],
      ['old', 'garbage'],
    ] as const)
      expect(await target.scan(partition, table, { from: '', limit: 1 })).toEqual([])
  })
})

describe('a stream that is not as it was written is refused, and nothing changes', () => {
  /** With what words. */
  async function refusal(bytes: Uint8Array): Promise<string> {
    const target = new MemoryStore()
    let commits = 0
    target.commit = async () => {
      commits++
      return true
    }
    const file = join(folder, `${++files}.jsonl`)
    writeFileSync(file, bytes)
    const outcome = await imported(target, file, { mode: 'replace' }).catch((error: Error) => error)
    expect(outcome).toMatchObject({ name: 'MaintenanceError' })
    expect(commits).toBe(0)
    return (outcome as Error).message
  }

  test('cut off anywhere', async () => {
    const bytes = readFileSync(await exported(await one('bucket', { t: 1 })))
    for (let end = 0; end < bytes.length; end++)
      expect(await refusal(bytes.subarray(0, end))).toMatch(/cut off|not an export/)
  })

  test('with any byte changed', async () => {
    const bytes = readFileSync(await exported(await one('bucket', { t: 1 })))
    for (let at = 0; at < bytes.length; at++) {
      const copy = Buffer.from(bytes)
      copy[at]! ^= 1 << (at % 7)
      expect(await refusal(copy)).not.toBe('')
    }
  })

  test.each<[string, (lines: string[]) => string[], RegExp]>([
    ['without a row', (lines) => lines.toSpliced(2, 1), /rows are missing/],
    ['with a row twice', (lines) => lines.toSpliced(2, 0, lines[2]!), /not behind/],
    ['with rows in another order', ([a, b, c, ...rest]) => [a!, c!, b!, ...rest], /damaged/],
    ['with something behind it', (lines) => [...lines, lines[1]!], /something follows/],
    ['of a newer program', ([a, ...rest]) => [a!.replace(':1', ':2'), ...rest], /newer program/],
    [
      'with a table that is none',
      (l) => l.with(1, l[1]!.replace('bucket', 'bocket')),
      /:2: .*damaged/,
    ],
  ])('%s', async (_, change, words) => {
    const lines = readFileSync(await exported(await filled()), 'utf8')
      .trimEnd()
      .split('\n')
    expect(await refusal(Buffer.from(`${change(lines).join('\n')}\n`))).toMatch(words)
  })
})

describe('an import that is cut off', () => {
  /** Fails at the n-th commit and after. */
  class FailingStore extends MemoryStore {
    left: number = Infinity

    override async commit(commit: Commit): Promise<boolean> {
      if (--this.left < 0) throw new Error('the end')
      return super.commit(commit)
    }
  }

  test.each(['fresh', 'merge', 'replace'] as const)(
    'leaves word of it, and is finished by the same one (%s)',
    async (mode) => {
      const source = await filled()
      const file = await exported(source)
      for (const left of [0, 1, 2, 3, 4, 7, 11, 100]) {
        const target = new FailingStore()
        if (mode === 'replace') await put(target, '', 'bucket', 'own', { own: 1 })
        target.left = left
        const outcome = await imported(target, file, { mode }).catch((error: unknown) => error)
        target.left = Infinity
        if (outcome instanceof Error) {
          expect(await readImport(target)).toEqual(left === 0 ? undefined : expect.anything())
          await imported(target, file, { mode })
        }
        expect(await readImport(target)).toBeUndefined()
        expect(await contentOf(target)).toEqual(await contentOf(source))
      }
    },
  )

  test('is not finished by another one, except by one that replaces everything', async () => {
    const target = new FailingStore()
    target.left = 2
    const file = await exported(await filled())
    await expect(imported(target, file)).rejects.toThrow('the end')
    target.left = Infinity
    const other = await exported(await one('other', { t: 1 }))
    await expect(imported(target, other, { mode: 'merge' })).rejects.toThrow(/cut off/)
    await expect(exported(target)).rejects.toThrow(/cut off/)
    await imported(target, other, { mode: 'replace' })
    expect(await contentOf(target)).toHaveLength(1)
  })
})
