import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDataFolder } from '../data-folder.ts'
import { Ulids } from '../lib/ulid.ts'
import { closingLine } from './scrub.ts'
import { fingerprint, Stored } from './stored.fixture.ts'

const LONG = 'a body that does not fit into its row'

let stored = new Stored()
beforeEach(() => {
  stored = new Stored()
})
afterEach(() => stored[Symbol.dispose]())

/** Three objects in blobs, `a`, `b`, `c`, and one in its row. */
function filled(): Promise<string> {
  return stored.fill('data', async (s3) => {
    for (const key of ['a', 'b', 'c']) await s3.put(key, `${LONG} ${key}`)
    await s3.put('small', 'inlined')
  })
}

test('a healthy folder: exit code 0, one line, nothing touched', async () => {
  const data = await filled()
  const before = fingerprint(data)
  const { code, out, err } = await stored.run('scrub', '--data', data)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^Nothing is wrong: 4 objects \(124 B\) in \d+ s, read and compared\.\n$/)
  expect(fingerprint(data)).toBe(before)
})

test('files that were changed, cut off, lost or left over are named: exit code 1, a line each', async () => {
  const data = await filled()
  const [a, b, c] = stored.blobFiles(data)
  const bytes = readFileSync(a!)
  bytes[3]! ^= 1
  writeFileSync(a!, bytes)
  truncateSync(b!, 10)
  rmSync(c!)
  writeFileSync(a!.slice(0, -4) + 'ZZZZ', 'orphan')
  const { code, out } = await stored.run('scrub', '--data', data)
  expect(code).toBe(1)
  const lines = out.split('\n')
  expect(
    lines
      .map((line) => line.split(': ').slice(0, 2).join(': '))
      .slice(0, 4)
      .sort(),
  ).toEqual([
    expect.stringMatching(/^blob-missing: b\/c/),
    expect.stringMatching(/^blob-short: b\/b/),
    expect.stringMatching(/^bytes: b\/a/),
    expect.stringMatching(/^orphan-blob: blob \w+ZZZZ/),
  ])
  expect(lines[4]).toMatch(/^4 problems in 4 objects .* write it again from a copy, or delete it\./)
  const quick = await stored.run('scrub', '--quick', '--data', data)
  expect(quick.out).toMatch(/^3 problems in /m)
})

test('--json: one object a problem, then a summary', async () => {
  const data = await filled()
  rmSync(stored.blobFiles(data)[0]!)
  const { out } = await stored.run('scrub', '--json', '--data', data)
  const [problem, end, ...rest] = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  expect(problem).toMatchObject({
    problem: 'blob-missing',
    bucket: 'b',
    table: 'object',
    sort: 'a',
  })
  expect(end).toMatchObject({ summary: { objects: 4, problems: { 'blob-missing': 1 } } })
  expect(rest).toEqual([])
})

test('--remove-orphans takes what is older than an hour, --now takes all', async () => {
  const young = new Ulids({ now: () => Date.now() }).next()
  const data = await stored.fill('data', async ({ ctx }) => {
    await ctx.storage.put(ctx.ids.next(), Buffer.from('old'))
    await ctx.storage.put(young, Buffer.from('young'))
  })
  const some = await stored.run('scrub', '--remove-orphans', '--data', data)
  expect(some).toMatchObject({ code: 1, out: expect.stringMatching(/Removed: 1 orphan \(3 B\)/) })
  expect(stored.blobFiles(data)).toEqual([expect.stringContaining(young)])
  const all = await stored.run('scrub', '--remove-orphans', '--now', '--data', data)
  expect(all).toMatchObject({ code: 0, out: expect.stringMatching(/Removed: 1 orphan \(5 B\)/) })
  expect(stored.blobFiles(data)).toEqual([])
})

test('while a gateway runs it is refused with one line that names its pid', async () => {
  const data = await filled()
  const folder = openDataFolder(data)
  const { code, out, err } = await stored.run('scrub', '--data', data)
  folder.release()
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toMatch(new RegExp(`^sluice: another gateway has .*pid ${process.pid}, [^\n]*\n$`))
})

test('that the last gateway crashed is still known afterwards', async () => {
  const data = await filled()
  const note = join(data, 'holder.json')
  writeFileSync(note, '{}')
  expect((await stored.run('scrub', '--data', data)).code).toBe(0)
  expect(existsSync(note)).toBe(true)
})

test.each([
  [['--now'], 2, /--now goes with --remove-orphans/],
  [['--remove-orphans', '--bucket', 'b'], 2, /--remove-orphans needs all buckets/],
  [['--data', '/nowhere/at/all'], 1, /^sluice: nothing is stored at \/nowhere/],
  [['--metadata', 'memory', '--storage', 'memory'], 1, /both engines are memory/],
])('%j is refused', async (words, code, message) => {
  const ran = await stored.run('scrub', ...words)
  expect(ran).toMatchObject({ code, out: '', err: expect.stringMatching(message) })
})

test('the closing line says what to do next', () => {
  const summary = {
    objects: 1,
    bytes: 3 * 2 ** 30,
    unproven: 0,
    removed: 0,
    removedBytes: 0,
    kept: { young: 0, becauseOfDamage: 0 },
  }
  const options = { isQuick: false, removes: 'none' } as const
  const line = (more: object): string =>
    closingLine({ ...summary, problems: {}, ...more }, options, 61)
  expect(line({})).toBe('Nothing is wrong: 1 object (3.0 GiB) in 1 min 1 s, read and compared.')
  expect(line({ problems: { 'orphan-blob': 2 } })).toMatch(/--remove-orphans at once\.$/)
  expect(line({ problems: { 'orphan-blob': 1 }, kept: { young: 1, becauseOfDamage: 0 } })).toMatch(
    /--now removes them too\.$/,
  )
  expect(line({ problems: { row: 1 }, kept: { young: 0, becauseOfDamage: 1 } })).toMatch(
    /Orphans stay while rows are damaged/,
  )
})
