import type { DeleteMarkerEntry, ObjectVersion } from '@aws-sdk/client-s3'
import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import type { Range } from '../../metadata/store.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { Input, Output } from '../api/operations.ts'
import { listObjectVersions } from './list-versions.ts'
import { CALL, Fixture, OWNER } from './s3.fixture.ts'

/** Counts how often older versions are looked for. */
class CountingStore extends MemoryStore {
  chains = 0

  override scan(
    partition: string,
    table: 'version',
    range: Range,
  ): ReturnType<MemoryStore['scan']> {
    if (table === 'version') this.chains++
    return super.scan(partition, table, range)
  }
}

let store: CountingStore
let s3: Fixture

beforeEach(async () => {
  store = new CountingStore()
  s3 = new Fixture(store, new MemoryStorage())
  await s3.bucket()
})

type Page = Output<'ListObjectVersions'>

const list = (more: Partial<Input<'ListObjectVersions'>> = {}): Promise<Page> =>
  listObjectVersions(s3.ctx)({ Bucket: 'b', ...more }, CALL)

const of = (v: ObjectVersion | DeleteMarkerEntry): string =>
  `${v.Key} ${v.VersionId}${v.IsLatest === true ? '+' : ''}`

/** `key versionId` of all entries of all pages, with `+` for the latest and `-` for markers. */
async function walk(more: Partial<Input<'ListObjectVersions'>>): Promise<string[]> {
  const entries: string[] = []
  let markers: Partial<Input<'ListObjectVersions'>> = {}
  for (let pages = 0; pages < 100; pages++) {
    const page = await list({ ...more, ...markers })
    const found = [
      ...(page.Versions ?? []).map(of),
      ...(page.DeleteMarkers ?? []).map((m) => `${of(m)}-`),
      ...(page.CommonPrefixes ?? []).map((c) => `${c.Prefix}`),
    ]
    expect(found.length === page.MaxKeys || page.IsTruncated === false).toBe(true)
    entries.push(...found)
    if (page.IsTruncated !== true) return entries
    markers = { KeyMarker: page.NextKeyMarker!, VersionIdMarker: page.NextVersionIdMarker }
  }
  throw new Error('the listing does not end')
}

test('an unversioned bucket shows each object as its null version, without looking for older ones', async () => {
  await s3.put('a', 'hello')
  const page = await list()
  expect(page).toMatchObject({ Name: 'b', KeyMarker: '', VersionIdMarker: '', IsTruncated: false })
  expect(page.Versions).toEqual([
    {
      Key: 'a',
      VersionId: 'null',
      IsLatest: true,
      LastModified: new Date(s3.clock.now()),
      ETag: '"5d41402abc4b2a76b9719d911017c592"',
      Size: 5,
      StorageClass: 'STANDARD',
      ChecksumAlgorithm: ['CRC64NVME'],
      ChecksumType: 'FULL_OBJECT',
      Owner: { ID: OWNER[0], DisplayName: OWNER[1] },
    },
  ])
  expect(store.chains).toBe(0)
})

/** `a` with three versions below a marker, `b/x` with two, `c` with a null version between two others. */
async function history(): Promise<string[]> {
  const entries: string[] = []
  const put = async (key: string): Promise<void> => {
    const { VersionId = 'null' } = await s3.put(key, 'x')
    entries.push(`${key} ${VersionId}`)
    s3.clock.time += 1000
  }
  await put('c')
  await s3.bucket('b', 'Enabled')
  for (const key of ['a', 'a', 'a', 'b/x', 'b/x', 'c']) await put(key)
  await s3.bucket('b', 'Suspended')
  const marker = await s3.delete('a')
  entries.push(`a ${marker.VersionId}-`)
  const [c0, a1, a2, a3, b1, b2, c1, a4] = entries
  return [`${a4!.slice(0, -1)}+-`, a3!, a2!, a1!, `${b2}+`, b1!, `${c1}+`, c0!]
}

test('pages of any size, put together, give each version once, the newest first', async () => {
  const all = await history()
  for (let max = 1; max <= all.length + 1; max++)
    expect((await walk({ MaxKeys: max })).toSorted()).toEqual(all.toSorted())
  const order = (await list()).Versions?.map((v) => `${v.Key} ${v.VersionId}`)
  expect(order).toEqual(all.filter((v) => !v.endsWith('-')).map((v) => v.replace('+', '')))
})

test('common prefixes are counted and stepped over whole', async () => {
  await history()
  for (let max = 1; max <= 8; max++) {
    const entries = await walk({ MaxKeys: max, Delimiter: '/' })
    expect(entries.filter((entry) => entry === 'b/')).toHaveLength(1)
    expect(entries).toHaveLength(7)
  }
})

test('a listing goes on where a version stood that has gone', async () => {
  const all = await history()
  const [, a3, a2, a1] = all.map((entry) => entry.split(' ')[1]!)
  await s3.delete('a', { VersionId: a2 })
  const page = await list({ Prefix: 'a', KeyMarker: 'a', VersionIdMarker: a2 })
  expect(page.Versions?.map((v) => v.VersionId)).toEqual([a1])
  const above = await list({ Prefix: 'a', KeyMarker: 'a', VersionIdMarker: 'null' })
  expect(above.Versions?.map((v) => v.VersionId)).toEqual([a3, a1])
})

test('a key marker alone goes on behind all versions of the key', async () => {
  await history()
  const page = await list({ KeyMarker: 'b/x' })
  expect(page.Versions?.map((v) => v.Key)).toEqual(['c', 'c'])
})

test('a version marker without a key, or that is none, is refused', async () => {
  await expect(list({ VersionIdMarker: 'null' })).rejects.toMatchObject({ code: 'InvalidArgument' })
  await expect(list({ KeyMarker: 'a', VersionIdMarker: 'x' })).rejects.toMatchObject({
    code: 'InvalidArgument',
  })
})

test('heads are looked at once where it is known that nothing was removed, and twice elsewhere', async () => {
  await s3.bucket('b', 'Enabled')
  for (const key of ['a', 'b']) for (const body of ['1', '2']) await s3.put(key, body)
  let scans = 0
  const scan = store.scan.bind(store)
  store.scan = (partition, table: string, range) => {
    if (table === 'object') scans++
    return scan(partition, table as 'version', range)
  }
  await list()
  expect(scans).toBe(2)
  let removals = 1
  Object.assign(s3.ctx, { versionRemovals: () => removals })
  await list()
  expect(scans).toBe(3)
  Object.assign(s3.ctx, { versionRemovals: () => removals++ })
  await list()
  expect(scans).toBe(5)
})
