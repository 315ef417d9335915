import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { getObjectTagging } from './object-tagging.ts'
import { CALL, Fixture } from './s3.fixture.ts'

test('an object that is there bears no tags, and one that is not is NoSuchKey', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
  await f.put('k', 'hello')
  const get = (Key: string): Promise<unknown> => getObjectTagging(f.ctx)({ Bucket: 'b', Key }, CALL)
  expect(await get('k')).toEqual({ TagSet: [] })
  await expect(get('nothing')).rejects.toMatchObject({ code: 'NoSuchKey' })
})
