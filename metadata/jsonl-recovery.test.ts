/** What the engine `jsonl` makes of files that are torn, damaged, foreign or incomplete. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { DISK } from '../src/lib/disk.ts'
import { headerLine } from './jsonl-files.ts'
import { JsonlStore } from './jsonl.ts'

const root = mkdtempSync(path.join(tmpdir(), 'sluice-jsonl-'))
afterAll(() => rmSync(root, { recursive: true }))

const LOG = 'log-00000001.jsonl'
const KEYS = ['a', 'b', 'c', 'd']
/** A store whose four commits were four groups, the last with bytes; and one whose last three were one. */
let single = ''
let grouped = ''

/** Opening syncs nothing: there are thousands of these. */
const disk = { ...DISK, datasync: async () => {}, syncFolder: async () => {} }
const open = (folder: string): Promise<JsonlStore> =>
  JsonlStore.open({ path: folder, meter: SILENT, disk })

function put(store: JsonlStore, sort: string, bytes?: Uint8Array): Promise<boolean> {
  const write = { table: 'object' as const, sort, value: { of: sort }, ...(bytes && { bytes }) }
  return store.commit({ partition: 'b', expects: [], writes: [write] })
}

async function keysOf(store: JsonlStore): Promise<string[]> {
  const rows = await store.scan('b', 'object', { from: '', limit: 100 })
  return rows.map(({ sort }) => sort)
}

function newFolder(): string {
  return mkdtempSync(path.join(root, 'store-'))
}

function copyOf(folder: string): string {
  const copy = newFolder()
  cpSync(folder, copy, { recursive: true })
  return copy
}

/** A copy in which the log has these bytes instead. */
function withLog(folder: string, bytes: Uint8Array): string {
  const copy = copyOf(folder)
  writeFileSync(path.join(copy, LOG), bytes)
  return copy
}

function logOf(folder: string): Buffer {
  return readFileSync(path.join(folder, LOG))
}

/** Where each line begins, and where the last ends. */
function startsOf(log: Buffer): number[] {
  const starts = [0]
  for (let at = log.indexOf(10); at >= 0; at = log.indexOf(10, at + 1)) starts.push(at + 1)
  return starts
}

function flipped(log: Buffer, at: number, bit = 0): Buffer {
  const copy = Buffer.from(log)
  copy[at]! ^= 1 << bit
  return copy
}

/** What is there after opening; and again, for opening may have mended it; and a commit goes through. */
async function keysAfterOpening(folder: string): Promise<string[]> {
  let keys: string[]
  {
    await using store = await open(folder)
    keys = await keysOf(store)
    expect(await put(store, 'z')).toBe(true)
  }
  await using store = await open(folder)
  expect(await keysOf(store)).toEqual([...keys, 'z'])
  return keys
}

beforeAll(async () => {
  single = newFolder()
  {
    await using store = await open(single)
    for (const key of KEYS.slice(0, 3)) await put(store, key)
    await put(store, 'd', Uint8Array.of(1, 2, 3, 255))
  }
  grouped = newFolder()
  await using store = await open(grouped)
  await put(store, 'a')
  await Promise.all(KEYS.slice(1).map((key) => put(store, key)))
})

describe('the end of the log', () => {
  test('torn at any byte it is cut off, and all before it stays', async () => {
    const log = logOf(single)
    const last = startsOf(log).at(-2)!
    for (let end = last; end < log.length; end++)
      expect(await keysAfterOpening(withLog(single, log.subarray(0, end)))).toEqual(['a', 'b', 'c'])
    expect(await keysAfterOpening(withLog(single, log))).toEqual(KEYS)
  })

  test('with any bit of its last line flipped it is cut off, and all before it stays', async () => {
    const log = logOf(single)
    for (let at = startsOf(log).at(-2)!; at < log.length; at++)
      expect(await keysAfterOpening(withLog(single, flipped(log, at, at % 8)))).toEqual([
        'a',
        'b',
        'c',
      ])
  })

  test.each([
    ['zeros', Buffer.alloc(5000)],
    ['noise with line feeds', Buffer.from('x\n{"a":1}\n\n,"crc":"00000000"}\n')],
  ])('followed by %s it is whole up to there', async (_, tail) => {
    const log = Buffer.concat([logOf(single), tail])
    expect(await keysAfterOpening(withLog(single, log))).toEqual(KEYS)
  })

  test('where a group came onto the disk without its beginning, none of it counts', async () => {
    const log = logOf(grouped)
    const [, , second = 0, third = 0] = startsOf(log)
    expect(await keysAfterOpening(withLog(grouped, log))).toEqual(KEYS)
    expect(await keysAfterOpening(withLog(grouped, flipped(log, second + 5)))).toEqual(['a'])
    expect(await keysAfterOpening(withLog(grouped, flipped(log, third + 5)))).toEqual(['a', 'b'])
    const zeroed = Buffer.from(log).fill(0, second, third)
    expect(await keysAfterOpening(withLog(grouped, zeroed))).toEqual(['a'])
  })
})

describe('what was acknowledged and is not as it was', () => {
  /** The words with which the store is refused; nothing in the folder changes by it. */
  async function refusal(folder: string): Promise<string> {
    const before = contentsOf(folder)
    const error = await open(folder).catch((error: unknown) => error)
    expect(error).toMatchObject({ name: 'StoreDamaged' })
    expect(contentsOf(folder)).toEqual(before)
    return (error as Error).message
  }

  function contentsOf(folder: string): [string, string][] {
    const names = readdirSync(folder).filter((name) => name.includes('jsonl'))
    return names.map((name) => [name, readFileSync(path.join(folder, name), 'latin1')])
  }

  test('a bit flipped anywhere before the last line is refused, with file and line', async () => {
    const log = logOf(single)
    const starts = startsOf(log)
    const end = starts.at(-2)!
    // Some bytes of each line, and every line feed.
    for (let at = starts[1]!; at < end; at++) {
      if (at % 7 !== 0 && log[at] !== 10) continue
      const line = starts.findLastIndex((start) => start <= at) + 1
      expect(await refusal(withLog(single, flipped(log, at, at % 8)))).toMatch(
        new RegExp(`${LOG}:${line}: `),
      )
    }
  })

  test('a line that is missing its line feed is refused, for the next one is there', async () => {
    const log = logOf(single)
    const [, , second = 0] = startsOf(log)
    expect(
      await refusal(
        withLog(single, Buffer.concat([log.subarray(0, second - 1), log.subarray(second)])),
      ),
    ).toMatch(/:2: /)
  })

  test('a file of another program is refused', async () => {
    expect(await refusal(withLog(single, Buffer.from('{"level":"info"}\n')))).toMatch(
      /not a file of metadata/,
    )
    expect(await refusal(withLog(single, Buffer.alloc(0)))).toMatch(/not a file of metadata/)
  })

  test('a file of a newer program is refused, even if only its first line can be read', async () => {
    const newer = '{"format":"sluice-metadata","version":2,"new":1}\n\u{1}\n'
    expect(await refusal(withLog(single, Buffer.from(newer)))).toMatch(/newer program.*version 2/)
  })

  test('an older log is refused where its end is torn', async () => {
    const folder = withLog(single, logOf(single).subarray(0, -1))
    const next = logOf(newStoreOf('log', 2))
    writeFileSync(path.join(folder, 'log-00000002.jsonl'), next)
    expect(await refusal(folder)).toMatch(/log-00000001\.jsonl:5: /)
  })

  test('a log that is missing is refused', async () => {
    const folder = copyOf(single)
    writeFileSync(path.join(folder, 'log-00000003.jsonl'), logOf(single))
    expect(await refusal(folder)).toMatch(/log-00000002\.jsonl is missing/)
    rmSync(path.join(folder, LOG))
    expect(await refusal(folder)).toMatch(/log-00000001\.jsonl is missing/)
  })

  test('a snapshot is refused where a bit of it is flipped, or its end is missing', async () => {
    const folder = newFolder()
    {
      await using store = await JsonlStore.open({
        path: folder,
        meter: SILENT,
        disk,
        compactBytesMin: 1000,
      })
      for (let i = 0; !readdirSync(folder).some((name) => /^snapshot-\d+\.jsonl$/.test(name)); i++)
        await put(store, `${i % 10}`)
    }
    const name = readdirSync(folder).find((name) => name.startsWith('snapshot'))!
    const bytes = readFileSync(path.join(folder, name))
    const starts = startsOf(bytes)
    for (let at = starts[1]!; at < bytes.length; at += 31) {
      writeFileSync(path.join(folder, name), flipped(bytes, at))
      expect(await refusal(folder)).toMatch(new RegExp(`${name}:\\d+: `))
    }
    for (const end of [starts.at(-2)!, starts.at(-3)!, bytes.length - 1]) {
      writeFileSync(path.join(folder, name), bytes.subarray(0, end))
      expect(await refusal(folder)).toMatch(new RegExp(`${name}:\\d+: `))
    }
    writeFileSync(path.join(folder, name), bytes)
    expect(await keysAfterOpening(folder)).toHaveLength(10)
  })
})

/** A folder whose first log has the header of another one. */
function newStoreOf(kind: 'log' | 'snapshot', number: number): string {
  const folder = newFolder()
  writeFileSync(path.join(folder, LOG), headerLine(kind, number))
  return folder
}
