import { createSecretKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import type { WrappingKey } from './keyring.ts'
import { FixtureClock } from './s3.fixture.ts'
import { userRows } from './user-rows.ts'

const keyOf = (id: string, byte: number): WrappingKey => ({
  id,
  key: createSecretKey(Buffer.alloc(32, byte)),
})
const OLD = keyOf('old', 1)
const NEW = keyOf('new', 2)
const SECRET = 'a secret that nobody finds'
const USER = { displayName: 'Ann', secretAccessKey: SECRET }

async function stored(store: MemoryStore, sort = 'user.ann'): Promise<string> {
  return JSON.stringify((await store.get('', 'config', sort))?.value)
}

test('a secret is sealed at rest, and comes back as it was', async () => {
  const store = new MemoryStore()
  const users = userRows(store, new FixtureClock(), [OLD])
  await users.write('ann', USER)
  const text = await stored(store)
  expect(text).not.toContain(SECRET)
  expect(text).toContain('Ann')
  expect((await users.read()).get('ann')).toEqual(USER)
  await users.write('ann', null)
  expect((await users.read()).size).toBe(0)
})

test('what an older key has sealed opens while it is there; without it nobody starts', async () => {
  const store = new MemoryStore()
  const clock = new FixtureClock()
  await userRows(store, clock, [OLD]).write('ann', USER)
  expect((await userRows(store, clock, [NEW, OLD]).read()).get('ann')).toEqual(USER)
  await expect(userRows(store, clock, [NEW]).read()).rejects.toThrow('encryption key "old"')
})

test('a sealed secret is its user’s alone', async () => {
  const store = new MemoryStore()
  const users = userRows(store, new FixtureClock(), [OLD])
  await users.write('ann', USER)
  const { value } = (await store.get('', 'config', 'user.ann'))!
  const writes = [{ table: 'config' as const, sort: 'user.bob', value }]
  await store.commit({ partition: '', expects: [], writes })
  await expect(users.read()).rejects.toThrow('the secret of the user bob')
})

test('without a key secrets stand in clear, and are read so beside sealed ones', async () => {
  const store = new MemoryStore()
  const clock = new FixtureClock()
  await userRows(store, clock, []).write('ann', USER)
  expect(await stored(store)).toContain(SECRET)
  expect((await userRows(store, clock, [OLD]).read()).get('ann')).toEqual(USER)
})
