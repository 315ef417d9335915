import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { listObjectVersions } from './list-versions.ts'
import { renameObject } from './rename-object.ts'
import { CALL } from './s3.fixture.ts'
import { HesitatingStore } from './troubled-store.fixture.ts'
import { outcome, Uploads } from './uploads.fixture.ts'

const LONG = 'x'.repeat(40)

let f: Uploads
beforeEach(async () => {
  f = new Uploads(new MemoryStore(), new MemoryStorage())
  await f.bucket()
})

function rename(RenameSource: string, Key: string, more: object = {}, s3 = f): Promise<unknown> {
  return renameObject(s3.ctx)({ Bucket: 'b', Key, RenameSource, ...more }, CALL)
}

test('an object moves as it is, its time too, and what stood there is gone', async () => {
  await f.put('old name', LONG, { Metadata: { a: 'b' }, Tagging: 't=1' })
  const before = await f.head('old name')
  await f.put('new', 'y'.repeat(50))
  f.clock.time += 60_000
  await rename('/b/old%20name', 'new')
  expect(await f.head('new')).toEqual(before)
  expect(await f.text('new')).toBe(LONG)
  await expect(f.head('old name')).rejects.toMatchObject({ code: 'NoSuchKey' })
  await f.sweep().run(false)
  expect(await f.text('new')).toBe(LONG)
  expect(await f.blobs()).toHaveLength(1)
  await rename('new', 'newer')
  expect(await f.text('newer')).toBe(LONG)
})

test('conditions on both ends hold or nothing moves', async () => {
  const { ETag } = await f.put('a', 'a')
  await f.put('b', 'b')
  const failed = { code: 'PreconditionFailed' }
  await expect(rename('a', 'b', { DestinationIfNoneMatch: '*' })).rejects.toMatchObject(failed)
  await expect(rename('a', 'b', { DestinationIfMatch: ETag })).rejects.toMatchObject(failed)
  await expect(rename('a', 'b', { SourceIfMatch: 'x' })).rejects.toMatchObject(failed)
  const since = new Date(f.clock.now() - 60_000)
  const old = { DestinationIfUnmodifiedSince: since }
  await expect(rename('a', 'b', old)).rejects.toMatchObject(failed)
  await expect(rename('none', 'b')).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(rename('a', 'a')).rejects.toMatchObject({ code: 'InvalidRequest' })
  await expect(rename('/other/a', 'b')).rejects.toMatchObject({ code: 'InvalidRequest' })
  expect([await f.text('a'), await f.text('b')]).toEqual(['a', 'b'])
  await rename('a', 'c', { DestinationIfNoneMatch: '*', SourceIfMatch: ETag })
  expect(await f.text('c')).toBe('a')
})

test('where versions are kept, a marker stands in the place of the version that moved, and the others stay', async () => {
  await f.put('a', 'null version')
  await f.bucket('b', 'Enabled')
  await f.put('a', 'second')
  await f.put('b', 'there')
  await rename('a', 'b')
  await expect(f.head('a')).rejects.toMatchObject({ code: 'NoSuchKey' })
  expect(await f.text('a', { VersionId: 'null' })).toBe('null version')
  expect(await f.text('b')).toBe('second')
  const list = async (): Promise<string[]> => {
    const page = await listObjectVersions(f.ctx)({ Bucket: 'b' }, CALL)
    const markers = (page.DeleteMarkers ?? []).map((m) => `${m.Key}- ${m.IsLatest}`)
    return [...(page.Versions ?? []).map((v) => `${v.Key} ${v.IsLatest}`), ...markers]
  }
  expect(await list()).toEqual(['a false', 'b true', 'b false', 'a- true'])
  await f.bucket('b', 'Suspended')
  await f.put('a', 'third')
  await rename('a', 'c')
  expect(await f.text('c')).toBe('third')
  expect(await list()).toEqual(['b true', 'b false', 'c true', 'a- true', 'a- false'])
})

test('two who rename one object give it one new name', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const s3 = new Uploads(new HesitatingStore(seed), new MemoryStorage())
    await s3.bucket()
    await s3.put('a', LONG)
    const outcomes = await Promise.all([
      outcome(rename('a', 'one', {}, s3)),
      outcome(rename('a', 'two', {}, s3)),
    ])
    expect(outcomes.toSorted()).toEqual(['NoSuchKey', 'done'])
    expect(await s3.text(outcomes[0] === 'done' ? 'one' : 'two')).toBe(LONG)
    await s3.sweep().run(false)
    expect(await s3.blobs()).toHaveLength(1)
  }
})
