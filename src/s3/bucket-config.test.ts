import { expect, test, vi } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { configSort, listConfigs, readConfig, writeConfig } from './bucket-config.ts'
import { Fixture } from './s3.fixture.ts'

const NO_CHECK = (): void => undefined

async function fixture(store: MemoryStore = new MemoryStore()): Promise<Fixture> {
  const f = new Fixture(store, new MemoryStorage())
  await f.bucket()
  return f
}

test('a document is read back as it was written, until it is replaced or removed', async () => {
  const { ctx } = await fixture()
  expect(await readConfig(ctx, 'b', 'cors')).toBeUndefined()
  await writeConfig(ctx, 'b', 'cors', { rules: [1] }, NO_CHECK)
  expect(await readConfig(ctx, 'b', 'cors')).toEqual({ rules: [1] })
  await writeConfig(ctx, 'b', 'cors', { rules: [2] }, NO_CHECK)
  expect(await readConfig(ctx, 'b', 'cors')).toEqual({ rules: [2] })
  await writeConfig(ctx, 'b', 'cors', null, NO_CHECK)
  expect(await readConfig(ctx, 'b', 'cors')).toBeUndefined()
  expect((await ctx.buckets.readFresh('b')).value).not.toHaveProperty('config')
})

test('a document that stands is read from the store once', async () => {
  const store = new MemoryStore()
  const { ctx } = await fixture(store)
  await writeConfig(ctx, 'b', 'policy', 'p', NO_CHECK)
  await readConfig(ctx, 'b', 'policy')
  const get = vi.spyOn(store, 'get')
  expect(await readConfig(ctx, 'b', 'policy')).toBe('p')
  expect(get).not.toHaveBeenCalled()
})

test('a reader with an old row of the bucket is given the document of now, never a mixture', async () => {
  const store = new MemoryStore()
  const f = await fixture(store)
  await writeConfig(f.ctx, 'b', 'policy', 'old', NO_CHECK)
  await f.ctx.buckets.read('b')
  const other = new Fixture(store, new MemoryStorage(), {}, f.clock)
  await writeConfig(other.ctx, 'b', 'policy', 'new', NO_CHECK)
  expect(await readConfig(f.ctx, 'b', 'policy')).toBe('new')
})

test('documents of one kind are listed by their ids, and another kind of a longer name is not among them', async () => {
  const { ctx } = await fixture()
  for (const id of ['b', 'a', 'a.b']) {
    await writeConfig(ctx, 'b', configSort('metrics', id), { id }, NO_CHECK)
  }
  await writeConfig(ctx, 'b', configSort('metadata'), 1, NO_CHECK)
  expect(await listConfigs(ctx, 'b', 'metrics')).toEqual([
    ['a', { id: 'a' }],
    ['a.b', { id: 'a.b' }],
    ['b', { id: 'b' }],
  ])
})

test('a refusal writes nothing, and a bucket that is not there has no configuration', async () => {
  const { ctx } = await fixture()
  const refuse = (): void => {
    throw new Error('no')
  }
  await expect(writeConfig(ctx, 'b', 'cors', 1, refuse)).rejects.toThrow('no')
  expect(await readConfig(ctx, 'b', 'cors')).toBeUndefined()
  await expect(writeConfig(ctx, 'none', 'cors', 1, NO_CHECK)).rejects.toMatchObject({
    code: 'NoSuchBucket',
  })
})
