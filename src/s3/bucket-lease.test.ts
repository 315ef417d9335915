/** Writes that do not expect their bucket's row, and deletions: of two that meet, one sees the other. */
import { expect, test } from 'vitest'
import type { Commit } from '../../metadata/store.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { BucketLease } from './bucket-lease.ts'
import { deleteBucket } from './delete-bucket.ts'
import { CALL, Fixture } from './s3.fixture.ts'
import { HookedStore } from './troubled-store.fixture.ts'

const LEASE_MS = 1000

/** Gateways of one store, each with a lease on a clock that only the test moves. */
class Gateways {
  readonly store = new HookedStore()
  readonly storage = new MemoryStorage()
  time = 0
  readonly waits: number[] = []
  /** What happens while a deletion waits. */
  meanwhile: () => Promise<void> = async () => {}

  readonly lease: BucketLease = {
    ms: LEASE_MS,
    monotonicMs: () => this.time,
    wait: async (ms) => {
      this.waits.push(ms)
      await this.meanwhile()
      this.time += ms
    },
  }

  open(): Fixture {
    return new Fixture(this.store, this.storage, {}, undefined, this.lease)
  }
}

function remove(fixture: Fixture): Promise<unknown> {
  return deleteBucket(fixture.ctx)({ Bucket: 'b' }, CALL)
}

function isPut(commit: Commit, key = 'k'): boolean {
  return commit.writes.some(({ table, sort }) => table === 'object' && sort === key)
}

async function twoGateways(): Promise<{ all: Gateways; one: Fixture; other: Fixture }> {
  const all = new Gateways()
  const one = all.open()
  const other = all.open()
  await one.bucket()
  return { all, one, other }
}

test('a PUT is one write of one row, which expects nothing of the bucket', async () => {
  const { all, one } = await twoGateways()
  const commits: Commit[] = []
  all.store.before = async (commit) => void commits.push(commit)
  await one.put('k', 'v')
  expect(commits).toHaveLength(1)
  expect(commits[0]!.expects).toEqual([{ table: 'object', sort: 'k', rev: 0 }])
  expect(commits[0]!.writes).toHaveLength(1)
})

test('a deletion waits for twice the lease before it looks', async () => {
  const { all, one, other } = await twoGateways()
  await remove(one)
  expect(all.waits).toEqual([2 * LEASE_MS])
  await expect(other.put('k', 'v')).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

test('a deletion that finds the bucket full waits for nothing', async () => {
  const { all, one } = await twoGateways()
  await one.put('k', 'v')
  await expect(remove(one)).rejects.toMatchObject({ code: 'BucketNotEmpty' })
  expect(all.waits).toEqual([])
})

test('a PUT of another gateway that goes by the row from before the mark keeps the bucket', async () => {
  const { all, one, other } = await twoGateways()
  await other.put('first', 'v')
  await other.delete('first')
  all.meanwhile = async () => {
    all.meanwhile = async () => {}
    await other.put('k', 'v')
  }
  await expect(remove(one)).rejects.toMatchObject({ code: 'BucketNotEmpty' })
  expect(await one.text('k')).toBe('v')
  all.time += LEASE_MS
  await other.put('later', 'v')
})

test('a PUT whose row is older than the lease reads it again', async () => {
  const { all, one, other } = await twoGateways()
  await other.put('first', 'v')
  await other.delete('first')
  all.meanwhile = async () => void (all.time += LEASE_MS)
  await remove(one)
  // The wall clock stands still: `other` still has the row.
  await expect(other.put('k', 'v')).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

test('a commit that comes too late, when the bucket is gone, is not acknowledged', async () => {
  const { all, one, other } = await twoGateways()
  all.store.before = async (commit) => {
    if (!isPut(commit)) return
    all.store.before = async () => {}
    await remove(one)
  }
  await expect(other.put('k', 'v')).rejects.toMatchObject({ name: 'OutcomeUnknown' })
})

test('nor one that is late while the bucket is being deleted', async () => {
  const { all, one, other } = await twoGateways()
  let late: Promise<unknown> = Promise.resolve()
  all.store.before = async (commit) => {
    if (!isPut(commit)) return
    all.store.before = async () => {}
    // It is held up until the deletion has looked for the first time, and then meets its mark.
    await new Promise<void>((resolve) => {
      all.meanwhile = async () => {
        all.meanwhile = async () => {}
        all.time += LEASE_MS
        resolve()
        await late.catch(() => {})
      }
      void remove(one).catch(() => {})
    })
  }
  late = other.put('k', 'v')
  await expect(late).rejects.toMatchObject({ name: 'OutcomeUnknown' })
})

test('a commit that comes late although the bucket stands is acknowledged', async () => {
  const { all, one } = await twoGateways()
  all.store.after = async (commit) => {
    if (isPut(commit)) all.time += 10 * LEASE_MS
  }
  await one.put('k', 'v')
  expect(await one.text('k')).toBe('v')
})

test('nor is one that went into a bucket that another has made since under the name', async () => {
  const { all, one, other } = await twoGateways()
  all.store.before = async (commit) => {
    if (!isPut(commit)) return
    all.store.before = async () => {}
    await remove(one)
    one.clock.time += 5
    await one.bucket()
  }
  await expect(other.put('k', 'v')).rejects.toMatchObject({ name: 'OutcomeUnknown' })
})

test('in any order of steps, an object that was acknowledged has a bucket', async () => {
  const fates: boolean[] = []
  for (let late = 0; late <= 3000; late += 500)
    for (let step = 0; step < 3; step++) fates.push(await isHeldAt(step, late))
  expect(fates).not.toContain(false)
})

/** A PUT that is so late (ms) at a step of a deletion: false where it was acknowledged and the bucket is gone. */
async function isHeldAt(step: number, late: number): Promise<boolean> {
  const { all, one, other } = await twoGateways()
  await other.put('first', 'v')
  await other.delete('first')
  let acknowledged = false
  let steps = 0
  const put = async (): Promise<void> => {
    if (steps++ !== step) return
    all.time += late
    await other.put('k', 'v').then(
      () => (acknowledged = true),
      () => undefined,
    )
  }
  all.meanwhile = put
  all.store.after = async ({ partition, writes }) => {
    if (partition === 'b' && writes[0]?.table === 'bucket') await put()
  }
  await remove(one).catch(() => {})
  return !acknowledged || (await all.store.get('b', 'bucket', '')) !== undefined
}
