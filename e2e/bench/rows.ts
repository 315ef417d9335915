/**
 * What the engines of metadata cost, without anything above them.
 *
 *     node tools/run.cjs node e2e/bench/rows.ts [rows in thousands]   (100)
 *
 * Each line: CPU time of the whole process (kernel included) and wall time, a single operation.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { open as openAsync, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { MemoryStore } from '../../metadata/memory.ts'
import { SqliteStore } from '../../metadata/sqlite.ts'
import type { MetadataStore, Write } from '../../metadata/store.ts'
import { SILENT } from '../../src/lib/meter.ts'

const ROWS: number = Number(process.argv[2] ?? 100) * 1000
const PARTITION = 'benchmark-bucket'
const VALUE = {
  q: '01JDCD5N9S0000000000000000',
  t: 1_763_640_000_000,
  s: 4096,
  e: 'd41d8cd98f00b204e9800998ecf8427e',
  k: ['CRC64NVME', 'AAAAAAAAAAA=', 'FULL_OBJECT'],
  h: { ContentType: 'application/octet-stream' },
  m: { 'some-name': 'some-value' },
  o: ['0123456789abcdef0123456789abcdef', 'owner'],
  c: { x: [['01JDCD5N9S0000000000000000', 0, 4096]] },
}
/** Keys in a thousand folders, in no order. */
function keyOf(i: number): string {
  const scattered = (i * 7_919) % ROWS
  const folder = String(scattered % 1000).padStart(4, '0')
  return `data/${folder}/object-${String(scattered).padStart(9, '0')}`
}

async function measure(
  label: string,
  operations: number,
  run: () => Promise<unknown>,
): Promise<void> {
  const wall = performance.now()
  const cpu = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(cpu)
  const each = ((performance.now() - wall) * 1000) / operations
  const figures = `${((user + system) / operations).toFixed(1).padStart(9)} us CPU ${each.toFixed(1).padStart(9)} us`
  console.log(`${label.padEnd(44)}${figures}`)
}

/** `run` for 0 to `count` - 1, `width` of them at any time. */
async function wide(
  count: number,
  width: number,
  run: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: width }, worker))
}

async function commit(store: MetadataStore, sort: string, bytes?: Uint8Array): Promise<void> {
  const write: Write = { table: 'object', sort, value: VALUE, ...(bytes && { bytes }) }
  const expects = [{ table: 'object' as const, sort, rev: 0 }]
  if (!(await store.commit({ partition: PARTITION, expects, writes: [write] })))
    throw new Error('refused')
}

async function benchReads(store: MetadataStore): Promise<void> {
  const gets = 100_000
  await measure('get', gets, () =>
    wide(gets, 1, (i) => store.get(PARTITION, 'object', keyOf((i * 31) % ROWS))),
  )
  await measure('scan of 1000 rows', 200, () =>
    wide(200, 1, (i) =>
      store.scan(PARTITION, 'object', { from: keyOf((i * 31) % ROWS), limit: 1000 }),
    ),
  )
  const fold = { delimiter: '/', from: 5 }
  const range = { from: 'data/', to: 'data0', limit: 1000 }
  await measure('scan folded to 1000 groups', 50, () =>
    wide(50, 1, () => store.scan(PARTITION, 'object', { ...range, fold })),
  )
  await measure('scan of 1000 rows, a fold without groups', 50, () =>
    wide(50, 1, () =>
      store.scan(PARTITION, 'object', { ...range, fold: { delimiter: '~', from: 5 } }),
    ),
  )
}

async function benchCommits(store: MetadataStore): Promise<void> {
  let fresh = 0
  for (const width of [1, 32, 64])
    for (const size of [0, 4096]) {
      const count = width === 1 ? 2000 : 20_000
      const bytes = size === 0 ? undefined : new Uint8Array(size).fill(7)
      const label = `commit of a new row, ${size} bytes, ${width} at once`
      await measure(label, count, () =>
        wide(count, width, () => commit(store, `${keyOf((fresh += 3))}+${fresh}`, bytes)),
      )
    }
}

/** Rows with their bytes against a row and a file of its own: which size is worth a file? */
async function benchInlining(store: MetadataStore, directory: string): Promise<void> {
  let fresh = 0
  for (const kib of [4, 8, 16, 32, 64]) {
    const bytes = new Uint8Array(kib * 1024).fill(7)
    const count = Math.min(4000, 64_000 / kib)
    await measure(`${kib} KiB inlined, 32 at once`, count, () =>
      wide(count, 32, () => commit(store, `in-${kib}-${fresh++}`, bytes)),
    )
    await measure(`${kib} KiB inlined, read`, count, () =>
      wide(count, 32, (i) => store.get(PARTITION, 'object', `in-${kib}-${fresh - 1 - i}`)),
    )
    await measure(`${kib} KiB in a file, and a row, 32 at once`, count, () =>
      wide(count, 32, async () => {
        const name = path.join(directory, `blob-${kib}-${fresh++}`)
        await writeDurably(directory, name, bytes)
        await commit(store, name)
      }),
    )
  }
}

async function writeDurably(directory: string, name: string, bytes: Uint8Array): Promise<void> {
  const file = await openAsync(`${name}.part`, 'wx')
  await file.write(bytes)
  await file.datasync()
  await file.close()
  await rename(`${name}.part`, name)
  const parent = await openAsync(directory, 'r')
  await parent.sync()
  await parent.close()
}

/** The longest that a timer was late: what a request that does nothing would have waited. */
async function watchingStalls(run: () => Promise<void>): Promise<void> {
  const late: number[] = []
  let last = performance.now()
  const look = (): void => {
    const now = performance.now()
    late.push(now - last - 1)
    last = now
  }
  const timer = setInterval(look, 1)
  await run()
  clearInterval(timer)
  look()
  late.sort((a, b) => b - a)
  const at = (part: number): string => late[Math.floor(late.length * part)]!.toFixed(1)
  // Work that never waits, as in memory, lets no timer through: that is one long turn, and no stall.
  console.log(`loop held up: longest ${at(0)} ms, 99.9 % ${at(0.001)}, 99 % ${at(0.01)}\n`)
}

async function fill(store: MetadataStore): Promise<void> {
  console.log(`-- ${store.name}, ${ROWS} rows`)
  const heap = process.memoryUsage().rss
  await measure('filling, 64 at once', ROWS, () => wide(ROWS, 64, (i) => commit(store, keyOf(i))))
  console.log(`resident memory a row: ${Math.round((process.memoryUsage().rss - heap) / ROWS)} B`)
}

async function bench(store: MetadataStore, directory: string): Promise<void> {
  await benchReads(store)
  await watchingStalls(() => benchCommits(store))
  if (store.name === 'sqlite') await benchInlining(store, directory)
}

async function nothing(): Promise<void> {}

const directory = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
try {
  {
    await using memory = new MemoryStore()
    await fill(memory)
    await bench(memory, directory)
  }
  const file = path.join(directory, 'rows.db')
  {
    // Without waiting for the disk, which is measured later.
    await using sqlite = new SqliteStore({ path: file, meter: SILENT, datasync: nothing })
    await fill(sqlite)
  }
  await measure('open and close', 1, async () => {
    await using _ = new SqliteStore({ path: file, meter: SILENT })
  })
  await using sqlite = new SqliteStore({ path: file, meter: SILENT })
  await bench(sqlite, directory)
} finally {
  rmSync(directory, { recursive: true })
}
