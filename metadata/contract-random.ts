/** The parts of the contract that try random keys, ranges and commits against naive programs. */
import * as fc from 'fast-check'
import { expect } from 'vitest'
import { afterPrefix, compareUtf8 } from '../src/lib/utf8.ts'
import { foldedScan, groupOf } from './fold.ts'
import type { Commit, MetadataStore, Range, Row, Table } from './store.ts'

type Open = () => Promise<MetadataStore>
export type Kept = Pick<Row, 'sort' | 'value' | 'bytes'>

/** Few characters, so that keys share prefixes and groups; each at some edge of an encoding. */
const CHARACTERS = ['a', 'b', '/', '0', '\0', 'é', '\ud7ff', '\uffff', '\u{1f600}', '\u{10ffff}']
const character = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', '/') },
  { weight: 1, arbitrary: fc.constantFrom(...CHARACTERS) },
)
const text = fc.array(character, { maxLength: 5 }).map((characters) => characters.join(''))
const delimiter = fc.oneof(
  fc.constant('/'),
  text.filter((value) => value !== ''),
)
/** Few beginnings and many ends, so that groups hide much, and positions differ in bytes and units. */
const grouped = fc
  .tuple(
    fc.constantFrom('', 'é', '\u{1f600}', 'aé/'),
    fc.constantFrom('/', 'b'),
    fc.oneof(fc.constant(''), text),
  )
  .map((parts) => parts.join(''))
const bound = fc.oneof(fc.constantFrom('', 'é', '\u{1f600}', 'aé/'), text, grouped)
const range: fc.Arbitrary<Range> = fc
  .tuple(bound, fc.option(bound), fc.integer({ min: 1, max: 40 }))
  .map(([from, to, limit]) => ({ from, ...(to !== null && { to }), limit }))
type FoldedRange = Range & Required<Pick<Range, 'fold'>>
const anyFold: fc.Arbitrary<FoldedRange> = fc
  .tuple(range, delimiter, fc.nat(4))
  .map(([range, delimiter, from]) => ({ ...range, fold: { delimiter, from } }))
/** As a listing asks: what begins with a prefix, folded behind it. */
const listing: fc.Arbitrary<FoldedRange> = fc
  .tuple(bound, text, delimiter, fc.integer({ min: 1, max: 40 }))
  .map(([prefix, tail, delimiter, limit]) => {
    const to = afterPrefix(prefix)
    const fold = { delimiter, from: prefix.length }
    return { from: prefix + tail, ...(to !== undefined && { to }), limit, fold }
  })
const folded = fc.oneof(anyFold, listing)

/** What `store.ts` says of ranges and folds, word by word. */
export function inRange(rows: readonly Kept[], { from, to, limit, fold }: Range): Kept[] {
  const seen = new Set<string>()
  return [...rows]
    .sort((a, b) => compareUtf8(a.sort, b.sort))
    .filter(({ sort }) => compareUtf8(sort, from) >= 0)
    .filter(({ sort }) => to === undefined || compareUtf8(sort, to) < 0)
    .filter(({ sort }) => {
      const group = fold && groupOf(sort, fold)
      if (group === undefined) return true
      const isFirst = !seen.has(group)
      seen.add(group)
      return isFirst
    })
    .slice(0, limit)
}

function sorts(rows: readonly Kept[]): string[] {
  return rows.map((row) => row.sort)
}

export async function foldsAsReference(open: Open, runs: number): Promise<void> {
  const keys = fc.uniqueArray(
    fc.oneof({ weight: 1, arbitrary: text }, { weight: 4, arbitrary: grouped }),
    {
      minLength: 40,
      maxLength: 100,
    },
  )
  const ranges = fc.array(folded, { minLength: 1, maxLength: 10 })
  const property = fc.asyncProperty(keys, ranges, async (keys, ranges) => {
    await using store = await open()
    const rows = keys.map((sort) => ({ sort, value: 1 }))
    await Promise.all(
      rows.map((row) =>
        store.commit({ partition: 'b', expects: [], writes: [{ table: 'object', ...row }] }),
      ),
    )
    for (const range of ranges) {
      const wanted = sorts(inRange(rows, range))
      expect(sorts(await store.scan('b', 'object', range))).toEqual(wanted)
      const plain = (part: Range): Promise<readonly Row[]> => store.scan('b', 'object', part)
      expect(sorts(await foldedScan(plain, range, range.fold))).toEqual(wanted)
    }
  })
  await fc.assert(property, { numRuns: runs })
}

/** A write as it is tried: by a key that may be there, at a rev that may be right. */
export type Step = {
  readonly partition: string
  readonly writes: readonly {
    readonly table: Table
    readonly sort: string
    readonly value: number | null
    readonly bytes?: Uint8Array
  }[]
  /** Whether the rev of the first write's row is expected as it is, wrongly, or not at all. */
  readonly expects: 'right' | 'wrong' | 'none'
}

const key = fc.constantFrom('', 'a', 'a/', 'a/b', 'a\0', 'é', '\u{1f600}')
const table = fc.constantFrom<Table>('object', 'version')
const write = fc
  .tuple(table, key, fc.option(fc.nat(), { freq: 3 }), fc.option(fc.uint8Array({ maxLength: 9 })))
  .map(([table, sort, value, bytes]) => ({
    table,
    sort,
    value,
    ...(bytes && value !== null && { bytes }),
  }))
export const step: fc.Arbitrary<Step> = fc.record({
  partition: fc.constantFrom('', 'b'),
  writes: fc.uniqueArray(write, {
    maxLength: 4,
    selector: ({ table, sort }) => `${table} ${sort}`,
  }),
  expects: fc.constantFrom('right', 'wrong', 'none'),
})

/** Commit after commit, and after each the whole store against a list of rows. */
export async function agreesWithModel(open: Open, runs: number): Promise<void> {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
    await using store = await open()
    const model = new Map<string, Kept>()
    for (const step of steps) {
      const isDone = await store.commit(await toCommit(store, step))
      expect(isDone).toBe(step.writes.length === 0 || step.expects !== 'wrong')
      if (isDone) applyTo(model, step)
    }
    await compare(store, model)
  })
  await fc.assert(property, { numRuns: runs })
}

/**
 * Rounds of commits made at once, against an engine that does them one by one: for engines that promise
 * to take commits in the order in which they are asked to.
 */
export async function agreesWithEngine(open: Open, reference: Open, runs: number): Promise<void> {
  const rounds = fc.array(fc.array(step, { maxLength: 8 }), { maxLength: 5 })
  const property = fc.asyncProperty(rounds, async (rounds) => {
    await using store = await open()
    await using other = await reference()
    const model = new Map<string, Kept>()
    for (const round of rounds) {
      const commits = await Promise.all(round.map((step) => toCommit(store, step)))
      const others = await Promise.all(round.map((step) => toCommit(other, step)))
      const isDone = await Promise.all(commits.map((commit) => store.commit(commit)))
      expect(isDone).toEqual(await Promise.all(others.map((commit) => other.commit(commit))))
      for (const [i, step] of round.entries()) if (isDone[i]) applyTo(model, step)
    }
    await compare(store, model)
  })
  await fc.assert(property, { numRuns: runs })
}

export function applyTo(model: Map<string, Kept>, { partition, writes }: Step): void {
  for (const { table, sort, value, bytes } of writes) {
    const at = positionOf(partition, table, sort)
    if (value === null) model.delete(at)
    else model.set(at, { sort, value, ...(bytes && { bytes }) })
  }
}

export function positionOf(partition: string, table: Table, sort: string): string {
  return JSON.stringify([partition, table, sort])
}

export async function toCommit(store: MetadataStore, step: Step): Promise<Commit> {
  const { partition, writes, expects } = step
  const [first] = writes
  if (first === undefined || expects === 'none') return { partition, expects: [], writes }
  const { table, sort } = first
  const right = (await store.get(partition, table, sort))?.rev ?? 0
  const rev = expects === 'right' ? right : 'never given'
  return { partition, expects: [{ table, sort, rev }], writes }
}

async function compare(store: MetadataStore, model: ReadonlyMap<string, Kept>): Promise<void> {
  for (const partition of ['', 'b'])
    for (const table of ['object', 'version'] as const) {
      const wanted = [...model].flatMap(([at, row]) =>
        at === positionOf(partition, table, row.sort) ? [row] : [],
      )
      const all: Range = { from: '', limit: 1000 }
      const found = await store.scan(partition, table, all)
      const expected = inRange(wanted, all)
      expect(found.map(({ sort, value }) => [sort, value])).toEqual(
        expected.map(({ sort, value }) => [sort, value]),
      )
      for (const { sort, value, bytes } of expected) {
        const row = await store.get(partition, table, sort)
        expect(row?.value).toBe(value)
        expect(row?.rev).toBe(found.find((other) => other.sort === sort)?.rev)
        expect(row?.bytes && [...row.bytes]).toEqual(bytes && [...bytes])
      }
    }
}
