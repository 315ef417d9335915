/** A migration, which counts, copies and reads back, against the bare copy between the same two storages. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMetadata } from '../../metadata/open.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { Ulids } from '../../src/lib/ulid.ts'
import { migrate } from '../../src/maintain/migrate.ts'
import { UNWATCHED } from '../../src/maintain/progress.ts'
import { openStorage } from '../../storage/open.ts'
import type { BlobId, ObjectStorage } from '../../storage/store.ts'
import type { Scale } from './engine-rows.ts'
import { type Cost, costOf, type Goal, inTurn, median, ratioOf } from './goals.ts'

const MIB = 1024 ** 2
/** As many copies at a time as a migration makes. */
const AT_ONCE = 8
const WORKS = [
  { count: 16, bytes: 64 * MIB, name: '64 MiB' },
  { count: 2000, bytes: 256 * 1024, name: '256 KiB' },
]

export async function migrateGoals(scale: Scale): Promise<Goal[]> {
  const goals: Goal[] = []
  for (const { count, bytes, name } of WORKS)
    goals.push(await goalOf(Math.ceil(count * scale.part), bytes, name, scale.rounds))
  return goals
}

async function goalOf(count: number, bytes: number, name: string, rounds: number): Promise<Goal> {
  const base = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  try {
    await using from = await openStorage({ engine: 'fs', path: join(base, 'from') }, SILENT)
    const ids = new Ulids({ now: () => Date.now() })
    const blobs = Array.from({ length: count }, () => ids.next())
    const body = randomBytes(bytes)
    for (const id of blobs) await from.put(id, body)
    const place = (): Promise<string> => mkdtemp(join(base, 'to-'))
    const [moved, copied] = await inTurn(rounds, [
      async () => inPlace(await place(), count, (to) => moveAll(from, to)),
      async () => inPlace(await place(), count, (to) => copyAll(from, to, blobs)),
    ])
    const rate = (costs: readonly Cost[]): string =>
      `${(bytes / median(costs.map(({ wallUs }) => wallUs))).toFixed(0)} MB/s`
    return {
      name: `migrate and read back, blobs of ${name}, over a bare copy`,
      measured: ratioOf(copied!, moved!, 'wallUs'),
      unit: 'x',
      atLeast: 0.5,
      of: `${rate(moved!)}, copy ${rate(copied!)}`,
    }
  } finally {
    await rm(base, { recursive: true })
  }
}

/** The cost for each blob, of work into a new and empty storage there. */
async function inPlace(
  folder: string,
  count: number,
  work: (to: ObjectStorage) => Promise<void>,
): Promise<Cost> {
  const path = join(folder, 'blobs')
  await using to = await openStorage({ engine: 'fs', path }, SILENT)
  const cost = await costOf(count, () => work(to))
  await rm(folder, { recursive: true })
  return cost
}

async function moveAll(from: ObjectStorage, to: ObjectStorage): Promise<void> {
  await using source = await openMetadata({ engine: 'memory' }, SILENT)
  await using target = await openMetadata({ engine: 'memory' }, SILENT)
  await migrate({
    from: { metadata: source, storage: from },
    to: { metadata: target, storage: to },
    source: 'bench',
    inlineMaxBytes: 0,
    verifies: true,
    clock: { now: () => Date.now() },
    signal: new AbortController().signal,
    progress: UNWATCHED,
  })
}

async function copyAll(
  from: ObjectStorage,
  to: ObjectStorage,
  blobs: readonly BlobId[],
): Promise<void> {
  let next = 0
  const copier = async (): Promise<void> => {
    for (let i = next++; i < blobs.length; i = next++)
      await to.put(blobs[i]!, await from.get(blobs[i]!))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, copier))
}
