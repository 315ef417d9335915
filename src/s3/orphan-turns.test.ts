import { expect, test, vi } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { OrphanTurns } from './orphan-turns.ts'
import { isNote } from './rows.ts'
import { Fixture, type FixtureClock } from './s3.fixture.ts'

const DAY = 86_400_000

/** Two gateways over the same stores. */
async function gateways(): Promise<readonly [Fixture, Fixture]> {
  const one = new Fixture(new MemoryStore(), new MemoryStorage())
  await one.bucket()
  return [one, new Fixture(one.ctx.metadata, one.ctx.storage, {}, one.clock)]
}

test('of many gateways at a time one has the turn, and the next comes a day later', async () => {
  const [{ ctx, clock }] = await gateways()
  const all = Array.from({ length: 5 }, () => new OrphanTurns(ctx, DAY, false))
  const taken = async (): Promise<number> => {
    const turns = await Promise.all(all.map((turns) => turns.take()))
    return turns.filter(Boolean).length
  }
  expect(await taken()).toBe(1)
  expect(await taken()).toBe(0)
  clock.time += DAY - 1
  expect(await taken()).toBe(0)
  clock.time += 1
  expect(await taken()).toBe(1)
})

test('a gateway that is started anew each hour takes its turn all the same', async () => {
  const [{ ctx, clock }] = await gateways()
  let turns = 0
  for (let hour = 0; hour < 72; hour++) {
    if (await new OrphanTurns(ctx, DAY, false).take()) turns++
    clock.time += DAY / 24
  }
  expect(turns).toBe(3)
})

test('after an unclean end the turn is taken at once, once', async () => {
  const [{ ctx }] = await gateways()
  await new OrphanTurns(ctx, DAY, false).take()
  const turns = new OrphanTurns(ctx, DAY, true)
  expect(await turns.take()).toBe(true)
  expect(await turns.take()).toBe(false)
})

test('a turn that is given back is anybody\u2019s, and one of the future holds nobody up', async () => {
  const [{ ctx, clock }] = await gateways()
  const turns = new OrphanTurns(ctx, DAY, false)
  await turns.take()
  await turns.giveBack()
  expect(await new OrphanTurns(ctx, DAY, false).take()).toBe(true)
  clock.time -= 400 * DAY
  expect(await new OrphanTurns(ctx, DAY, false).take()).toBe(true)
})

test('what a gateway leaves that was killed is removed by another one that never heard of it', async () => {
  const [killed, other] = await gateways()
  const clock: FixtureClock = other.clock
  const sweep = other.sweep({ intervalMs: 1 })
  sweep.start()
  await killed.ctx.storage.put(killed.ctx.ids.next(), Buffer.from('its row was never committed'))
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(await other.blobs()).toHaveLength(1)
  clock.time += DAY
  await vi.waitFor(async () => expect(await other.blobs()).toEqual([]))
  await sweep.stop()
})

test('a search that is cut off is searched again', async () => {
  const [one, other] = await gateways()
  await one.ctx.storage.put(one.ctx.ids.next(), Buffer.from('an orphan'))
  one.clock.time += DAY
  const cut = one.sweep({ settleMs: 60_000 })
  cut.start()
  await new Promise((resolve) => setTimeout(resolve, 30))
  await cut.stop()
  expect(await other.blobs()).toHaveLength(1)
  const sweep = other.sweep()
  sweep.start()
  await vi.waitFor(async () => expect(await other.blobs()).toEqual([]))
  await sweep.stop()
})

test('the turn is a note of the store, which is not moved to another one', async () => {
  const [{ ctx }] = await gateways()
  await new OrphanTurns(ctx, DAY, false).take()
  const rows = await ctx.metadata.scan('', 'page', { from: '', limit: 10 })
  expect(rows.map(({ sort }) => [sort, isNote('', 'page')])).toEqual([['orphans', true]])
})
