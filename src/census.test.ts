import { expect, test } from 'vitest'
import { MemoryStore } from '../metadata/memory.ts'
import type { Json, MetadataStore, Rev } from '../metadata/store.ts'
import { CountedMetadata } from './census.ts'
import { ROOT } from './s3/rows.ts'

async function bucket(store: MetadataStore, name: string): Promise<void> {
  const writes = [{ table: 'bucket' as const, sort: name, value: { t: 0, owner: 'o' } }]
  await store.commit({ partition: ROOT, expects: [], writes })
}

async function put(
  store: MetadataStore,
  partition: string,
  sort: string,
  rev: Rev,
  value: Json,
): Promise<boolean> {
  return store.commit({
    partition,
    expects: [{ table: 'object', sort, rev }],
    writes: [{ table: 'object', sort, value }],
  })
}

async function filled(buckets: number, objects: number): Promise<MemoryStore> {
  const store = new MemoryStore()
  for (let b = 0; b < buckets; b++) {
    await bucket(store, `b${b}`)
    for (let k = 0; k < objects; k++) await put(store, `b${b}`, `k${k}`, 0, 1)
  }
  return store
}

test('a walk counts what is there, beyond a page of rows', async () => {
  const store = new CountedMetadata(await filled(3, 1100))
  expect(store.objects).toBe(0)
  await store.walk(new AbortController().signal)
  expect([await store.buckets(), store.objects]).toEqual([3, 3300])
})

test('after it, commits are counted: new keys, not overwritten ones, not refused ones', async () => {
  const store = new CountedMetadata(await filled(1, 2))
  await store.walk(new AbortController().signal)
  await put(store, 'b0', 'new', 0, 1)
  expect(store.objects).toBe(3)
  const rev = (await store.get('b0', 'object', 'new'))!.rev
  await put(store, 'b0', 'new', rev, 2)
  expect(await put(store, 'b0', 'new', rev, null)).toBe(false)
  expect(store.objects).toBe(3)
  await put(store, 'b0', 'new', (await store.get('b0', 'object', 'new'))!.rev, null)
  expect(store.objects).toBe(2)
})

test('what is written while the walk is on is counted once, before and behind it', async () => {
  const inner = await filled(3, 1)
  const store = new CountedMetadata(inner)
  let isDone = false
  const scan = inner.scan.bind(inner)
  inner.scan = async (partition, table, range) => {
    if (partition === 'b1' && !isDone) {
      isDone = true
      await put(store, 'b0', 'behind', 0, 1)
      await put(store, 'b2', 'ahead', 0, 1)
    }
    return scan(partition, table, range)
  }
  await store.walk(new AbortController().signal)
  expect(store.objects).toBe(5)
})

test('a walk ends when it is told to', async () => {
  const store = new CountedMetadata(await filled(1, 3))
  await expect(store.walk(AbortSignal.abort())).rejects.toThrow(/aborted/)
})

test('that an older version goes is told while it goes, and afterwards', async () => {
  const inner = new MemoryStore()
  const store = new CountedMetadata(inner)
  const remove = (): Promise<boolean> => {
    const writes = [{ table: 'version' as const, sort: 'v', value: null }]
    return store.commit({ partition: 'b', expects: [], writes })
  }
  const before = store.versionRemovals
  await put(store, 'b', 'k', 0, 1)
  expect(store.versionRemovals).toBe(before)
  const removing = remove()
  expect(store.versionRemovals).toBeUndefined()
  await removing
  expect(store.versionRemovals).toBeTypeOf('number')
  expect(store.versionRemovals).not.toBe(before)
  // What became of this one nobody knows, now or later.
  inner.commit = () => Promise.reject(new Error('lost'))
  await expect(remove()).rejects.toThrow('lost')
  expect(store.versionRemovals).toBeUndefined()
})
