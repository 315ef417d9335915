/** What the sweep needs of a storage: a list that is complete, a delete that can be repeated. Part of `contract.ts`. */
import { expect, test } from 'vitest'
import { Ulids } from '../src/lib/ulid.ts'
import type { Open } from './contract.ts'
import { ids, list, read, sample, traceOf } from './contract-samples.ts'
import type { BlobId, ObjectStorage } from './store.ts'

/** Ids of many years, so that they are not neighbours. */
function scattered(count: number): BlobId[] {
  let now = 0
  const far = new Ulids({ now: () => (now += 977 * 3600 * 1000) })
  const near = new Ulids({ now: () => now })
  return Array.from({ length: count }, (_, at) => (at % 3 ? near : far).next()).toSorted()
}

async function fill(storage: ObjectStorage, all: readonly BlobId[]): Promise<void> {
  await Promise.all(all.map((id, at) => storage.put(id, sample(at % 7))))
}

export function sweepPromises(open: Open): void {
  test('an empty storage lists nothing', async () => {
    expect(await list(await open())).toEqual([])
  })

  test('the list is complete and ascends, from any id on', async () => {
    const storage = await open()
    const all = scattered(60)
    await fill(storage, [...all].reverse())
    const listed = await list(storage)
    expect(listed.map((blob) => blob.id)).toEqual(all)
    for (const { id, size } of listed) expect(await read(await storage.get(id))).toHaveLength(size)
    for (const after of [
      all[0]!,
      all[17]!,
      all[59]!,
      '0'.repeat(26),
      '7ZZZZZZZZZZZZZZZZZZZZZZZZZ',
    ]) {
      const rest = (await list(storage, after)).map((blob) => blob.id)
      expect(rest).toEqual(all.filter((id) => id > after))
    }
  })

  test('what is there all the while is listed once, whatever comes and goes', async () => {
    const storage = await open()
    const all = scattered(60)
    const staying = all.filter((_, at) => at % 2 === 0)
    const moving = all.filter((_, at) => at % 2 === 1)
    await fill(storage, [...staying, ...moving.slice(0, 15)])
    const seen: BlobId[] = []
    for await (const { id } of storage.list('')) {
      seen.push(id)
      const next = seen.length % moving.length
      await storage.delete([moving[next]!])
      await storage.put(ids.next(), sample(3))
    }
    expect(seen).toEqual(seen.toSorted())
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.filter((id) => staying.includes(id))).toEqual(staying)
  })

  test('a deleted blob is gone, and deleting it again is no error', async () => {
    const storage = await open()
    const all = scattered(40)
    await fill(storage, all)
    const [gone, kept] = [all.slice(0, 30), all.slice(30)]
    await storage.delete(gone)
    await storage.delete([...gone, ids.next()])
    await storage.delete([])
    expect(await traceOf(storage, gone[0]!)).toBe('none')
    expect((await list(storage)).map((blob) => blob.id)).toEqual(kept)
  })

  test('puts find their place while everything around them is deleted', async () => {
    const storage = await open()
    const all = scattered(90)
    await Promise.all(
      all.map(async (id, at) => {
        await storage.put(id, sample(at))
        if (at % 3) await storage.delete([id])
      }),
    )
    const kept = all.filter((_, at) => at % 3 === 0)
    expect((await list(storage)).map((blob) => blob.id)).toEqual(kept)
  })

  test('more than 1000 in one delete are refused', async () => {
    const storage = await open()
    const many = Array.from({ length: 1001 }, () => ids.next())
    await expect(storage.delete(many)).rejects.toBeInstanceOf(RangeError)
  })
}
