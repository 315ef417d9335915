import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { digestOf } from '../lib/digest.ts'
import { putObjectTagging } from './object-tagging.ts'
import { CALL } from './s3.fixture.ts'
import { HesitatingStore } from './troubled-store.fixture.ts'
import { outcome, Uploads } from './uploads.fixture.ts'

/** Up to 16 bytes stand in the row. */
const SHORT = '12345678'
const LONG = 'x'.repeat(40)

async function opened(store: MemoryStore = new MemoryStore()): Promise<Uploads> {
  const s3 = new Uploads(store, new MemoryStorage())
  await s3.bucket()
  return s3
}

/** Appends at the object's end, and says what it then is. */
async function append(s3: Uploads, key: string, body: string): Promise<void> {
  const { ContentLength: WriteOffsetBytes = 0 } = await s3
    .head(key)
    .catch(() => ({ ContentLength: 0 }))
  await s3.put(key, body, { WriteOffsetBytes })
}

test('bytes are appended to what stands in the row, in a blob, in parts, or nowhere', async () => {
  for (const pieces of [
    [SHORT, SHORT],
    [SHORT, SHORT, SHORT],
    [SHORT, LONG],
    [LONG, SHORT, LONG],
    ['', SHORT, '', LONG, ''],
  ]) {
    const s3 = await opened()
    for (const piece of pieces) await append(s3, 'k', piece)
    expect(await s3.text('k')).toBe(pieces.join(''))
    expect(await s3.text('k', { Range: 'bytes=3-' })).toBe(pieces.join('').slice(3))
    await s3.sweep().run(false)
    expect(await s3.text('k')).toBe(pieces.join(''))
    await s3.delete('k')
    await s3.sweep().run(false)
    expect(await s3.blobs()).toEqual([])
  }
  const s3 = await opened()
  const id = await s3.begin()
  await s3.complete(id, await s3.parts(id, LONG, SHORT, LONG))
  await append(s3, 'big', 'end')
  expect(await s3.text('big')).toBe(`${LONG}${SHORT}${LONG}end`)
  await s3.sweep().run(false)
  expect(await s3.text('big')).toBe(`${LONG}${SHORT}${LONG}end`)
})

test('what the object says of itself stays, its CRC is carried on, its ETag is new', async () => {
  const s3 = await opened()
  const more = { ContentType: 'text/plain', Metadata: { a: 'b' }, Tagging: 't=1' }
  const first = await s3.put('k', SHORT, more)
  const second = await s3.put('k', LONG, { WriteOffsetBytes: 8 })
  expect(second).toMatchObject({
    Size: 48,
    ChecksumCRC64NVME: digestOf('CRC64NVME', Buffer.from(SHORT + LONG)),
  })
  expect(second.ETag).not.toBe(first.ETag)
  expect(await s3.head('k')).toMatchObject({
    ContentLength: 48,
    ContentType: 'text/plain',
    Metadata: { a: 'b' },
    TagCount: 1,
  })
})

test('an offset that is not the end, a condition that does not hold, and a bucket with versioning are refused', async () => {
  const s3 = await opened()
  await s3.put('k', SHORT)
  const wrong = { code: 'InvalidWriteOffset' }
  await expect(s3.put('k', LONG, { WriteOffsetBytes: 7 })).rejects.toMatchObject(wrong)
  await expect(s3.put('none', LONG, { WriteOffsetBytes: 1 })).rejects.toMatchObject(wrong)
  const stale = { WriteOffsetBytes: 8, IfMatch: 'stale' }
  await expect(s3.put('k', LONG, stale)).rejects.toMatchObject({ code: 'PreconditionFailed' })
  expect(await s3.text('k')).toBe(SHORT)
  expect(await s3.blobs()).toEqual([])
  await s3.bucket('b', 'Enabled')
  await expect(s3.put('k', LONG, { WriteOffsetBytes: 8 })).rejects.toMatchObject({
    code: 'InvalidRequest',
  })
})

test('of writers who append at the same place one wins, and nothing is left of the others', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const s3 = await opened(new HesitatingStore(seed))
    await s3.put('k', seed % 2 === 0 ? SHORT : LONG)
    const WriteOffsetBytes = seed % 2 === 0 ? 8 : 40
    const bodies = ['a', 'b', 'c'].map((letter) => letter.repeat(seed % 3 === 0 ? 4 : 30))
    const outcomes = await Promise.all(
      bodies.map((body) => outcome(s3.put('k', body, { WriteOffsetBytes }))),
    )
    expect(outcomes.filter((each) => each === 'done')).toHaveLength(1)
    const winner = bodies[outcomes.indexOf('done')]!
    expect(await s3.text('k')).toBe((seed % 2 === 0 ? SHORT : LONG) + winner)
    await s3.delete('k')
    await s3.sweep().run(false)
    expect(await s3.blobs()).toEqual([])
  }
})

test('a thousand appends leave few extents, and every byte', async () => {
  const s3 = await opened()
  await s3.put('k', LONG)
  let text = LONG
  for (let n = 0; n < 1000; n++) {
    const piece = `<${n}>`
    await s3.put('k', piece, { WriteOffsetBytes: text.length })
    text += piece
  }
  expect(await s3.text('k')).toBe(text)
  await s3.sweep().run(false)
  expect(await s3.text('k')).toBe(text)
  expect((await s3.blobs()).length).toBeLessThan(257)
})

test('small parts that share a blob outlive the rewriting of some of them', async () => {
  const s3 = await opened()
  const id = await s3.begin()
  const pieces = Array.from({ length: 300 }, (_, n) => `<${n}>`)
  await s3.complete(id, await s3.parts(id, ...pieces))
  await append(s3, 'big', 'end')
  await s3.sweep().run(false)
  expect(await s3.text('big')).toBe(`${pieces.join('')}end`)
  await s3.delete('big')
  await s3.sweep().run(false)
  expect(await s3.blobs()).toEqual([])
})

test('an append that has to be tried again leaves no blob of its first try', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const s3 = await opened(new HesitatingStore(seed))
    await s3.put('k', SHORT)
    const TagSet = [{ Key: 'a', Value: 'b' }]
    await Promise.all([
      s3.put('k', 'y'.repeat(12), { WriteOffsetBytes: 8 }),
      putObjectTagging(s3.ctx)({ Bucket: 'b', Key: 'k', Tagging: { TagSet } }, CALL),
    ])
    expect(await s3.text('k')).toBe(SHORT + 'y'.repeat(12))
    expect(await s3.head('k')).toMatchObject({ TagCount: 1 })
    expect(await s3.blobs()).toHaveLength(2)
  }
})
