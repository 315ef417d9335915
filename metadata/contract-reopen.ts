/** What an engine that keeps rows on disk promises beyond the contract: nothing that was told is lost. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { COMMITTERS, ROWS_PER_COMMIT } from './kill.child.ts'
import { openMetadata, type MetadataOptions } from './open.ts'
import type { Json, MetadataStore, Row } from './store.ts'

const CHILD: string = fileURLToPath(new URL('kill.child.ts', import.meta.url))
/** Commits that a child acknowledges before it is killed; it is killed in the midst of others. */
const ACKNOWLEDGED = [1, 50, 400]

/** `optionsOf` says how the store in a directory is opened, here and in other processes. */
export function metadataReopenContract(
  name: string,
  optionsOf: (directory: string) => MetadataOptions,
  { isShared }: { /** Any number of processes may have it open. */ readonly isShared: boolean } = {
    isShared: false,
  },
): void {
  const open = (at: string): Promise<MetadataStore> => openMetadata(optionsOf(at), SILENT)

  describe(`a metadata store on disk: ${name}`, () => {
    test('opened again it has everything that it had', async () => {
      const at = directory()
      let before: (Row | undefined)[]
      {
        await using store = await open(at)
        await put(store, 'k', { some: ['value', null] }, Uint8Array.of(0, 1, 255))
        await put(store, 'a\0\u{1f600}', 1)
        await put(store, 'gone', 1)
        await put(store, 'gone', null)
        before = await Promise.all(['k', 'a\0\u{1f600}'].map((sort) => get(store, sort)))
      }
      await using store = await open(at)
      const after = await Promise.all(['k', 'a\0\u{1f600}'].map((sort) => get(store, sort)))
      expect(after).toEqual(before)
      expect(await get(store, 'gone')).toBeUndefined()
    })

    test('a rev is not given again after the store was opened again', async () => {
      const at = directory()
      const revs = new Set<Row['rev']>()
      for (let round = 0; round < 4; round++) {
        await using store = await open(at)
        for (let write = 0; write < 3; write++) {
          await put(store, 'k', 'same')
          revs.add((await get(store, 'k'))!.rev)
        }
        if (round % 2 === 1) await put(store, 'k', null)
      }
      expect(revs.size).toBe(12)
    })

    test('commits that wait while the store is closed are done', async () => {
      const at = directory()
      const first = await open(at)
      const done = Promise.all(Array.from({ length: 20 }, (_, i) => put(first, `k${i}`, i)))
      await first[Symbol.asyncDispose]()
      await done
      await using store = await open(at)
      expect(await store.scan('b', 'object', { from: '', limit: 100 })).toHaveLength(20)
    })

    test.each(isShared ? [] : ['a second process'])('%s is refused, and told by whom', async () => {
      const at = directory()
      await using store = await open(at)
      await put(store, 'k', 1)
      const child = start(optionsOf(at))
      const [line] = (await once(child.lines, 'line')) as [string]
      expect(line).toContain('StoreLocked')
      expect(line).toContain(String(process.pid))
      await child.exited
      expect(await put(store, 'k', 2)).toBe(true)
    })

    test.each(ACKNOWLEDGED)(
      'killed after %i acknowledged commits it has them all, and none by half',
      async (count) => {
        const at = directory()
        const acknowledged = await killAfter(count, optionsOf(at))
        await using store = await open(at)
        for (const [writer, last] of acknowledged) {
          const rows = await store.scan(`p${writer}`, 'object', { from: '', limit: 100 })
          const values = new Set(rows.map((row) => row.value))
          expect(rows).toHaveLength(ROWS_PER_COMMIT)
          expect(values.size).toBe(1)
          expect(rows[0]?.value).toBeGreaterThanOrEqual(last)
          for (const { sort, value } of rows) {
            const row = await store.get(`p${writer}`, 'object', sort)
            expect(row?.bytes?.length).toBe(1000)
            expect(row?.bytes?.every((byte) => byte === (value as number) % 256)).toBe(true)
          }
        }
        expect(await store.commit({ partition: 'p0', expects: [], writes: [] })).toBe(true)
      },
    )
  })
}

/** A directory of the test's own. */
function directory(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'sluice-metadata-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

function put(
  store: MetadataStore,
  sort: string,
  value: Json,
  bytes?: Uint8Array,
): Promise<boolean> {
  const write = { table: 'object' as const, sort, value, ...(bytes && { bytes }) }
  return store.commit({ partition: 'b', expects: [], writes: [write] })
}

function get(store: MetadataStore, sort: string): Promise<Row | undefined> {
  return store.get('b', 'object', sort)
}

function start(options: MetadataOptions) {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { child, lines: createInterface(child.stdout), exited: once(child, 'exit') }
}

/** The last commit of each writer that the child said is done before it was killed. */
async function killAfter(count: number, options: MetadataOptions): Promise<Map<number, number>> {
  const acknowledged = new Map<number, number>()
  const { child, lines, exited } = start(options)
  let seen = 0
  for await (const line of lines) {
    const [writer, commit] = line.split(' ').map(Number) as [number, number]
    acknowledged.set(writer, commit)
    if (++seen === count) child.kill('SIGKILL')
  }
  await exited
  expect(acknowledged.size).toBeGreaterThan(0)
  expect(acknowledged.size).toBeLessThanOrEqual(COMMITTERS)
  return acknowledged
}
