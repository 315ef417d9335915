import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { Output } from '../api/operations.ts'
import { partsContent } from './content.ts'
import { getObjectAttributes } from './object-attributes.ts'
import type { StoredPart } from './rows.ts'
import { CALL, Fixture } from './s3.fixture.ts'
import { transact } from './transact.ts'
import { pushVersion } from './version.ts'

const ALL = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize']

async function opened(): Promise<Fixture> {
  const fixture = new Fixture(new MemoryStore(), new MemoryStorage())
  await fixture.bucket()
  return fixture
}

function attributes(f: Fixture, more: object = {}): Promise<Output<'GetObjectAttributes'>> {
  const input = { Bucket: 'b', Key: 'k', ObjectAttributes: ALL as ['ETag'], ...more }
  return getObjectAttributes(f.ctx)(input, CALL)
}

test('an object put whole has all attributes but parts, and its ETag stands without quotes', async () => {
  const f = await opened()
  await f.put('k', 'hello')
  expect(await attributes(f)).toEqual({
    LastModified: new Date(f.clock.time),
    ETag: '5d41402abc4b2a76b9719d911017c592',
    Checksum: { ChecksumCRC64NVME: 'M3eFcAZSQlc=', ChecksumType: 'FULL_OBJECT' },
    StorageClass: 'STANDARD',
    ObjectSize: 5,
  })
})

test('only what was asked for is answered', async () => {
  const f = await opened()
  await f.put('k', 'hello', { StorageClass: 'GLACIER_IR' })
  expect(await attributes(f, { ObjectAttributes: ['StorageClass'] })).toEqual({
    LastModified: new Date(f.clock.time),
    StorageClass: 'GLACIER_IR',
  })
  await expect(attributes(f, { ObjectAttributes: [] })).rejects.toMatchObject({
    code: 'InvalidArgument',
  })
})

test('parts come in pages, and following the markers gives each once', async () => {
  const f = await opened()
  const parts = Array.from({ length: 1100 }, (_, n): StoredPart => [
    n + 1,
    1,
    `sum${n + 1}`,
    [['B', n, n + 1]],
  ])
  await transact(f.ctx.metadata, 'b', async (tx) => {
    const bucket = await f.ctx.buckets.inBucket(tx, 'b')
    await pushVersion(f.ctx, tx, bucket, 'k', undefined, {
      t: 0,
      s: 1100,
      e: 'e-1100',
      k: ['SHA1', 'whole', 'COMPOSITE'],
      c: partsContent(f.ctx, tx, parts),
      o: ['i', 'n'],
    })
  })
  const seen: number[] = []
  let marker: string | undefined
  for (let isTruncated = true; isTruncated;) {
    const more = marker === undefined ? {} : { PartNumberMarker: marker }
    const { ObjectParts: page } = await attributes(f, { MaxParts: 400, ...more })
    expect(page).toMatchObject({ TotalPartsCount: 1100, MaxParts: 400 })
    for (const part of page!.Parts!) seen.push(part.PartNumber!)
    marker = page!.NextPartNumberMarker
    isTruncated = page!.IsTruncated!
  }
  expect(seen).toEqual(parts.map(([number]) => number))
  const { ObjectParts: first } = await attributes(f)
  expect(first!.Parts).toHaveLength(1000)
  expect(first!.Parts![0]).toEqual({ PartNumber: 1, Size: 1, ChecksumSHA1: 'sum1' })
  await expect(attributes(f, { PartNumberMarker: 'x' })).rejects.toMatchObject({
    code: 'InvalidArgument',
  })
})

test('a version is told by its id', async () => {
  const f = await opened()
  await f.bucket('b', 'Enabled')
  const { VersionId } = await f.put('k', 'old')
  await f.put('k', 'newer')
  expect(await attributes(f, { VersionId })).toMatchObject({ VersionId, ObjectSize: 3 })
  await expect(attributes(f, { Key: 'none' })).rejects.toMatchObject({ code: 'NoSuchKey' })
})
