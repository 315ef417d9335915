import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { CountedMetadata } from '../census.ts'
import { putBucketVersioning } from './bucket-versioning.ts'
import { listObjectVersions } from './list-versions.ts'
import { readRow, scanRows } from './rows.ts'
import { CALL } from './s3.fixture.ts'
import { HesitatingStore } from './troubled-store.fixture.ts'
import { Uploads } from './uploads.fixture.ts'
import { chainRange, publicId } from './version.ts'

/** Longer than what stands in a row. */
const LONG = 'long '.repeat(10)

/** `knows`: the store says when versions are removed, as where no other process writes. */
async function hesitating(seed: number, knows: boolean = false): Promise<Uploads> {
  const store = new CountedMetadata(new HesitatingStore(seed))
  const s3 = new Uploads(store, new MemoryStorage())
  if (knows) Object.assign(s3.ctx, { versionRemovals: () => store.versionRemovals })
  await s3.bucket('b', 'Enabled')
  return s3
}

async function configure(s3: Uploads, Status: 'Enabled' | 'Suspended'): Promise<void> {
  await putBucketVersioning(s3.ctx)({ Bucket: 'b', VersioningConfiguration: { Status } }, CALL)
}

/** Public ids of the rows of a key, newest first, after seeing that they keep what version.ts promises. */
async function idsOf(s3: Uploads, key: string): Promise<string[]> {
  const head = await readRow(s3.ctx.metadata, 'b', 'object', key)
  const chain = await scanRows(s3.ctx.metadata, 'b', 'version', { ...chainRange(key), limit: 1000 })
  const rows = head === undefined ? [] : [head, ...chain]
  if (head === undefined) expect(chain).toEqual([])
  expect(head?.value.older === 1).toBe(chain.length > 0)
  expect(head?.value.nq).toBe(chain.find(({ value }) => value.v === 'null')?.value.q)
  const ids = rows.map(({ value }) => publicId(value))
  expect(ids.filter((id) => id === 'null').length).toBeLessThan(2)
  return ids
}

test('writers and removers at once, while versioning is switched on and off, lose no acknowledged version and leave no blob', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const s3 = await hesitating(seed)
    const kept = new Map<string, string>()
    const put = async (body: string): Promise<void> => {
      const { VersionId } = await s3.put('k', body)
      if (VersionId !== undefined) kept.set(VersionId, body)
    }
    await put('first')
    const [first] = kept.keys()
    await Promise.all([
      put(`${LONG}${seed}`),
      configure(s3, 'Suspended').then(() => configure(s3, 'Enabled')),
      put('short'),
      s3.delete('k'),
      s3.delete('k', { VersionId: first }).then(() => kept.delete(first!)),
      put(`another ${LONG}`),
      s3.delete('k', { VersionId: 'null' }),
      s3.copy('b/k', 'k', { MetadataDirective: 'REPLACE' }).catch(() => undefined),
    ])
    const ids = await idsOf(s3, 'k')
    for (const [id, body] of kept) {
      expect(ids).toContain(id)
      expect(await s3.text('k', { VersionId: id })).toBe(body)
    }
    const { Versions = [], DeleteMarkers = [] } = await listObjectVersions(s3.ctx)(
      { Bucket: 'b' },
      CALL,
    )
    const listed = [...Versions, ...DeleteMarkers].map((version) => version.VersionId!)
    expect(listed.toSorted()).toEqual(ids.toSorted())
    expect([...Versions, ...DeleteMarkers].filter((version) => version.IsLatest)).toHaveLength(1)
    await s3.sweep().run(false)
    for (const id of ids) await s3.delete('k', { VersionId: id })
    expect(await idsOf(s3, 'k')).toEqual([])
    await s3.sweep().run(false)
    expect(await s3.blobs()).toEqual([])
  }
})

test('a version is found by its id while the versions before it are being deleted', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const s3 = await hesitating(seed)
    const { VersionId: wanted } = await s3.put('k', 'wanted')
    const { VersionId: second } = await s3.put('k', 'second')
    const { VersionId: third } = await s3.put('k', 'third')
    const [text] = await Promise.all([
      s3.text('k', { VersionId: wanted }),
      s3.delete('k', { VersionId: third }).then(() => s3.delete('k', { VersionId: second })),
    ])
    expect(text).toBe('wanted')
  }
})

test.each([false, true])(
  'a version that is there all the time is in every listing, once, whatever comes and goes before it (removals are told of: %s)',
  async (knows) => {
    for (let seed = 1; seed <= 150; seed++) {
      const s3 = await hesitating(seed, knows)
      const { VersionId: wanted } = await s3.put('k', 'wanted')
      const { VersionId: newest } = await s3.put('k', 'newest')
      await s3.put('other/x', 'x')
      const [{ Versions = [] }] = await Promise.all([
        listObjectVersions(s3.ctx)(
          { Bucket: 'b', ...(seed % 3 === 0 && { Delimiter: '/' }) },
          CALL,
        ),
        seed % 2 === 0 ? s3.put('k', 'newer') : s3.delete('k', { VersionId: newest }),
      ])
      const ids = Versions.map((version) => version.VersionId)
      expect(ids).toContain(wanted)
      expect(new Set(ids).size).toBe(ids.length)
    }
  },
)

test('a null version that two writers replace at once leaves one, and its blobs go', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const s3 = await hesitating(seed)
    await s3.put('k', `enabled ${LONG}`)
    await configure(s3, 'Suspended')
    await Promise.all([s3.put('k', `a ${LONG}`), s3.put('k', `b ${LONG}`), s3.delete('k')])
    expect(await idsOf(s3, 'k')).toHaveLength(2)
    await s3.sweep().run(false)
    const nullText = await s3.text('k', { VersionId: 'null' }).catch(() => undefined)
    expect(await s3.blobs()).toHaveLength(nullText === undefined ? 1 : 2)
  }
})

test('versioning is Enabled or Suspended, never off again; what it is not is refused', async () => {
  const s3 = new Uploads(new MemoryStore(), new MemoryStorage())
  await s3.bucket()
  const set = (VersioningConfiguration: object, Bucket = 'b'): Promise<unknown> =>
    putBucketVersioning(s3.ctx)({ Bucket, VersioningConfiguration }, CALL)
  await expect(set({})).rejects.toMatchObject({ code: 'IllegalVersioningConfigurationException' })
  const mfa = { Status: 'Enabled', MFADelete: 'Enabled' }
  await expect(set(mfa)).rejects.toMatchObject({ code: 'NotImplemented' })
  expect((await s3.ctx.buckets.readFresh('b')).value.versioning).toBeUndefined()
  await set({ Status: 'Enabled', MFADelete: 'Disabled' })
  expect((await s3.put('k', 'x')).VersionId).toMatch(/^[0-9A-Z]{26}$/)
  await set({ Status: 'Suspended' })
  expect((await s3.put('k', 'x')).VersionId).toBeUndefined()
  expect((await s3.head('k')).VersionId).toBe('null')
  await expect(set({ Status: 'Enabled' }, 'nowhere')).rejects.toMatchObject({
    code: 'NoSuchBucket',
  })
})
