import { array, assert, asyncProperty, constantFrom, nat, record, string } from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import type { Row, Table } from '../../metadata/store.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { underKey } from '../../storage/open.ts'
import { CHECKSUM_ALGORITHMS } from '../api/checksum.ts'
import { digestsReady } from '../lib/digest.ts'
import { type RowOf, shareSort, shares, type VersionRow, writeRow } from '../s3/rows.ts'
import { Encrypted } from '../s3/encryption.fixture.ts'
import { putObjectAnnotation } from '../s3/object-annotations.ts'
import { BytesPayload, bytesOf, CALL } from '../s3/s3.fixture.ts'
import { Uploads } from '../s3/uploads.fixture.ts'
import { writeImport } from './import-state.ts'
import { writeMigration } from './migration-state.ts'
import type { Problem } from './problem.ts'
import { UNWATCHED } from './progress.ts'
import { scrub, type ScrubOptions, type ScrubSummary } from './scrub.ts'

await digestsReady

const LONG = 'a body that does not fit into its row'
const HOUR = 3_600_000

async function opened(versioning?: 'Enabled'): Promise<Uploads> {
  const fixture = new Uploads(new MemoryStore(), new MemoryStorage())
  await fixture.bucket('b', versioning)
  return fixture
}

async function scrubbed(
  { ctx, clock }: Uploads,
  options: Partial<ScrubOptions> = {},
): Promise<
  ScrubSummary & { readonly found: readonly string[]; readonly list: readonly Problem[] }
> {
  const list: Problem[] = []
  const summary = await scrub(
    {
      metadata: ctx.metadata,
      storage: ctx.storage,
      clock,
      signal: new AbortController().signal,
      progress: UNWATCHED,
      report: (problem) => list.push(problem),
    },
    { isQuick: false, removes: 'none', ...options },
  )
  const found = list.map(({ kind, place }) => (place ? `${kind} ${place.sort}` : kind))
  return { ...summary, found, list }
}

/** Everything of every kind: inlined, blob, parts in the head, parts in pages, versions, copies, an upload under way. */
async function filled(): Promise<Uploads> {
  const f = await opened('Enabled')
  await f.put('empty', '')
  await f.put('small', 'inlined')
  await f.put('small', 'inlined again')
  await f.put('long', LONG)
  await f.put('long', `${LONG} again`)
  await f.copy('b/long', 'copied long')
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    await f.put(`sum ${algorithm}`, LONG, { ChecksumAlgorithm: algorithm })
    const UploadId = await f.begin({ ChecksumAlgorithm: algorithm })
    const parts = []
    for (const [PartNumber, body] of [
      [3, LONG],
      [7, 'last'],
    ] as const) {
      const { ETag, ...sums } = await f.part(UploadId, PartNumber, body, algorithm)
      parts.push({ PartNumber, ETag, ...sums })
    }
    await f.complete(UploadId, parts)
  }
  await f.copy('b/big', 'copied parts')
  await f.copy('b/big', 'copied parts anew', { ChecksumAlgorithm: 'SHA512' })
  const paged = await f.begin()
  const bodies = Array.from({ length: 70 }, (_, n) => `${LONG} ${n}`)
  await f.complete(paged, await f.parts(paged, ...bodies))
  await f.copy('b/big', 'copied pages')
  await f.copy('b/big', 'copied pages anew', { ChecksumAlgorithm: 'CRC32' })
  const underWay = await f.begin()
  await f.parts(underWay, LONG, 'small')
  await f.copyPart(underWay, 3, 'b/long', { CopySourceRange: 'bytes=3-30' })
  await f.put('noted', 'small')
  await annotate(f, 'noted', 'a.b', 'short')
  await annotate(f, 'noted', '-', LONG)
  await f.put('noted', 'newer')
  await f.delete('small')
  return f
}

function annotate(f: Uploads, Key: string, AnnotationName: string, text: string): Promise<object> {
  const AnnotationPayload = new BytesPayload(Buffer.from(text))
  return putObjectAnnotation(f.ctx)({ Bucket: 'b', Key, AnnotationName, AnnotationPayload }, CALL)
}

async function rowOf<T extends Table>(f: Uploads, table: T, sort: string): Promise<Row<RowOf[T]>> {
  return (await f.ctx.metadata.get('b', table, sort)) as Row<RowOf[T]>
}

async function write<T extends Table>(
  f: Uploads,
  table: T,
  sort: string,
  value: RowOf[T] | null,
  bytes?: Uint8Array,
  partition = 'b',
): Promise<void> {
  const writes = [writeRow(table, sort, value, bytes)]
  await f.ctx.metadata.commit({ partition, expects: [], writes })
}

async function blobOf(f: Uploads, key: string): Promise<string> {
  const { value } = await rowOf(f, 'object', key)
  const extents = value.c?.x ?? value.c?.p?.[0]?.[3] ?? []
  return extents[0]![0]
}

/** Puts something else in the place of a blob. */
async function change(f: Uploads, blob: string, by: (bytes: Buffer) => Buffer): Promise<void> {
  const bytes = await bytesOf(await f.ctx.storage.get(blob))
  await f.ctx.storage.delete([blob])
  await f.ctx.storage.put(blob, by(bytes))
}

function flipped(bytes: Buffer): Buffer {
  bytes[5]! ^= 1
  return bytes
}

test('nothing is wrong with a store of everything, whatever the window, and all bytes are read', async () => {
  const f = await filled()
  for (const window of [1, 7, 1000]) {
    const { found, unproven, objects, bytes } = await scrubbed(f, { window })
    expect(found).toEqual([])
    expect({ objects, unproven }).toEqual({ objects: 38, unproven: 1 })
    expect(bytes).toBeGreaterThan(70 * LONG.length * 3)
  }
})

const KEYS = ['a', 'a/', 'é', 'big'] as const
const ACTS = [
  'put',
  'copy',
  'delete',
  'delete version',
  'upload',
  'abort',
  'part copy',
  'sweep',
] as const

test('nothing is wrong after any sequence of operations', async () => {
  const steps = array(
    record({
      act: constantFrom(...ACTS),
      key: constantFrom(...KEYS),
      other: constantFrom(...KEYS),
      body: string({ maxLength: 40, unit: 'grapheme-ascii' }),
      at: nat(70),
    }),
    { maxLength: 25 },
  )
  await assert(
    asyncProperty(
      steps,
      constantFrom(undefined, 'Enabled' as const),
      async (sequence, versioning) => {
        const f = await opened(versioning)
        for (const step of sequence) await take(f, step).catch(() => {})
        expect((await scrubbed(f, { window: 5 })).found).toEqual([])
        await f.sweep().run(true)
        expect((await scrubbed(f)).found).toEqual([])
      },
    ),
    { numRuns: 60 },
  )
})

interface Step {
  readonly act: (typeof ACTS)[number]
  readonly key: string
  readonly other: string
  readonly body: string
  readonly at: number
}

async function take(f: Uploads, { act, key, other, body, at }: Step): Promise<unknown> {
  const source = `b/${encodeURIComponent(other)}`
  if (act === 'put') return f.put(key, body)
  if (act === 'copy') return f.copy(source, key)
  if (act === 'delete') return f.delete(key)
  if (act === 'sweep') return f.sweep().run(false)
  if (act === 'delete version') {
    const [row] = await f.ctx.metadata.scan('b', 'version', { from: '', limit: 1 })
    const { q, v } = (row?.value ?? { q: 'null' }) as Pick<VersionRow, 'q' | 'v'>
    return f.delete(key, { VersionId: v ?? q })
  }
  const upload = await f.begin()
  const parts = await f.parts(upload, ...Array.from({ length: at }, (_, n) => `${body}${n}`))
  if (act === 'abort') return f.abort(upload)
  const copied = await f.copyPart(upload, 99, source).catch(() => undefined)
  if (act === 'part copy') return undefined
  const ETag = copied?.CopyPartResult?.ETag
  return f.complete(upload, ETag ? [...parts, { PartNumber: 99, ETag }] : parts)
}

test('a flipped byte in a blob is found, of whatever digest its object is', async () => {
  for (const key of ['long', 'copied long', ...CHECKSUM_ALGORITHMS.map((name) => `sum ${name}`)]) {
    const f = await filled()
    await change(f, await blobOf(f, key), flipped)
    const { found } = await scrubbed(f)
    expect(new Set(found)).toContain(`bytes ${key}`)
  }
})

test('a flipped byte in a part is found, in the head and in a page', async () => {
  const f = await filled()
  await change(f, await blobOf(f, 'copied parts'), flipped)
  expect((await scrubbed(f)).found).toContain('bytes copied parts')
  const g = await filled()
  const [page] = await g.ctx.metadata.scan('b', 'page', { from: '', limit: 1 })
  const blob = (page!.value as unknown as RowOf['page']).p[40]![3][0]![0]
  await change(g, blob, flipped)
  const { list } = await scrubbed(g)
  expect(list.find(({ place }) => place?.sort === 'big')?.detail).toMatch(
    /^part 41: its bytes have CRC64NVME/,
  )
})

test('parts without checksums are vouched for by the ETag, where none was copied', async () => {
  const f = await opened()
  const upload = await f.begin()
  await f.complete(upload, await f.parts(upload, LONG, LONG))
  const { value } = await rowOf(f, 'object', 'big')
  const { k: _, ...bare } = value
  const p = value.c!.p!.map(([number, size, , extents]) => [number, size, null, extents] as const)
  await write(f, 'object', 'big', { ...bare, c: { ...value.c, p } })
  expect(await scrubbed(f)).toMatchObject({ found: [], unproven: 0 })
  await change(f, await blobOf(f, 'big'), flipped)
  expect((await scrubbed(f)).found).toEqual(['bytes big'])
})

test('a missing blob and a short one are found, each told once; quickly too', async () => {
  for (const isQuick of [true, false]) {
    const f = await filled()
    const [gone, short] = [await blobOf(f, 'sum MD5'), await blobOf(f, 'sum SHA1')]
    await f.ctx.storage.delete([gone])
    await change(f, short, (bytes) => bytes.subarray(0, 9))
    expect((await scrubbed(f, { isQuick, window: 3 })).found.toSorted()).toEqual([
      'blob-missing sum MD5',
      'blob-short sum SHA1',
    ])
  }
})

test('wrong inlined bytes are found: changed ones, too few, and of a part', async () => {
  const f = await opened()
  await f.put('k', 'inlined')
  await f.put('short', 'inlined')
  const upload = await f.begin()
  await f.parts(upload, 'part')
  for (const key of ['k', 'short']) {
    const { value } = await rowOf(f, 'object', key)
    await write(f, 'object', key, value, Buffer.from(key === 'k' ? 'INLINED' : 'in'))
  }
  const [part] = await f.ctx.metadata.scan('b', 'part', { from: '', limit: 1 })
  await write(f, 'part', part!.sort, part!.value as never, Buffer.from('PART'))
  const { found } = await scrubbed(f)
  expect(new Set(found)).toEqual(new Set(['bytes k', 'bytes short', `bytes ${part!.sort}`]))
  expect((await scrubbed(f, { isQuick: true })).found).toEqual(['bytes short'])
})

test('a missing page is found, and keeps orphans from being removed', async () => {
  const f = await filled()
  const { value } = await rowOf(f, 'object', 'big')
  await write(f, 'page', value.c!.g![0]![0], null)
  f.clock.time += 2 * HOUR
  const { found, kept, removed } = await scrubbed(f, { removes: 'all' })
  expect(found).toContain('page big')
  expect(kept.becauseOfDamage).toBeGreaterThan(0)
  expect(removed).toBe(0)
})

test('a page that nothing names is found', async () => {
  const f = await filled()
  await write(f, 'page', `${f.ctx.ids.next()}.0000`, { p: [] })
  expect((await scrubbed(f)).problems).toEqual({ 'orphan-page': 1 })
})

test('a lost share row is found at its holder', async () => {
  const f = await opened()
  await f.put('k', LONG)
  await f.copy('b/k', 'copy')
  const [blob, , , ref] = (await rowOf(f, 'object', 'copy')).value.c!.x![0]!
  await write(f, 'share', shareSort(blob, ref!), null, undefined, shares(blob))
  expect((await scrubbed(f, { isQuick: true })).found).toEqual(['share copy'])
})

test('two rows that hold a blob without sharing it are found', async () => {
  const f = await opened()
  await f.put('k', LONG)
  const { value } = await rowOf(f, 'object', 'k')
  await write(f, 'object', 'twin', value)
  expect((await scrubbed(f, { isQuick: true })).found).toEqual(['held-twice twin'])
  const g = await opened()
  await g.put('k', LONG)
  await write(g, 'garbage', g.ctx.ids.next(), { x: (await rowOf(g, 'object', 'k')).value.c!.x! })
  expect((await scrubbed(g, { isQuick: true })).problems).toEqual({ 'held-twice': 1 })
})

test('rows that contradict themselves or each other are found', async () => {
  const f = await filled()
  const { value } = await rowOf(f, 'object', 'long')
  await write(f, 'object', 'long', { ...value, s: value.s + 1 })
  const parts = await rowOf(f, 'object', 'copied parts')
  await write(f, 'object', 'copied parts', { ...parts.value, c: { ...parts.value.c, n: 5 } })
  await write(f, 'part', 'nobody.00001', { t: 0, s: 0, e: '' })
  await write(f, 'garbage', 'odd', {})
  await write(f, 'version', 'AAAAAAAAAAAAAAAAAAAAAA.x', { ...value, q: 'x', d: 1 })
  const small = await f.ctx.metadata.scan('b', 'object', { from: 'small', limit: 1 })
  await write(f, 'object', 'small', { ...(small[0]!.value as unknown as VersionRow), nq: 'x' })
  const { found } = await scrubbed(f, { isQuick: true })
  expect(new Set(found)).toEqual(
    new Set([
      'row long',
      'row copied parts',
      'row nobody.00001',
      'row odd',
      'row AAAAAAAAAAAAAAAAAAAAAA.x',
      'row small',
    ]),
  )
})

test('a bucket that is listed and has no row is found', async () => {
  const f = await opened()
  await write(f, 'bucket', '', null)
  expect((await scrubbed(f)).problems).toEqual({ row: 1 })
})

test('orphans are listed; the old ones are removed where asked, the young ones with them only at once', async () => {
  const f = await opened()
  await f.put('k', LONG)
  await f.copy('b/k', 'copy')
  const orphan = f.ctx.ids.next()
  await f.ctx.storage.put(orphan, Buffer.from('orphan'))
  await write(f, 'share', shareSort(orphan, 'ref'), { t: f.clock.now() }, undefined, shares(orphan))
  expect((await scrubbed(f)).problems).toEqual({ 'orphan-blob': 1, 'orphan-share': 1 })
  expect(await scrubbed(f, { removes: 'old' })).toMatchObject({ removed: 0, kept: { young: 2 } })
  f.clock.time += HOUR + 1
  const young = f.ctx.ids.next()
  await f.ctx.storage.put(young, Buffer.from('young'))
  const { found, removed, removedBytes } = await scrubbed(f, { removes: 'old' })
  expect({ found, removed, removedBytes }).toEqual({
    found: ['orphan-blob'],
    removed: 2,
    removedBytes: 6,
  })
  expect(await scrubbed(f, { removes: 'all' })).toMatchObject({ found: [], removed: 1 })
  expect(await f.blobs()).toHaveLength(1)
  expect(await f.text('copy')).toBe(LONG)
})

test('one bucket is looked at alone: the damage of another is not, and orphans are none of its business', async () => {
  const f = await opened()
  await f.bucket('other')
  await f.put('k', LONG)
  await f.put('k', LONG, {}, 'other')
  await f.ctx.storage.put(f.ctx.ids.next(), Buffer.from('orphan'))
  await f.ctx.storage.delete([await blobOf(f, 'k')])
  expect(await scrubbed(f, { bucket: 'other' })).toMatchObject({ found: [], objects: 1 })
  expect((await scrubbed(f, { bucket: 'b' })).found).toEqual(['blob-missing k'])
  await expect(scrubbed(f, { bucket: 'none' })).rejects.toThrow('there is no bucket none')
})

test('stores that an import or a migration left by half are not scrubbed: what rows are missing would make orphans', async () => {
  const f = await opened()
  const begun = { from: 'a', begun: 0, blobsTo: '', blobs: 0, bytes: 0 }
  await writeMigration(f.ctx.metadata, begun)
  await expect(scrubbed(f)).rejects.toThrow('a migration into these stores was cut off')
  await writeMigration(f.ctx.metadata, { ...begun, finished: 1 })
  expect((await scrubbed(f)).found).toEqual([])
  await writeImport(f.ctx.metadata, { sha256: '', mode: 'fresh', begun: 0 })
  await expect(scrubbed(f)).rejects.toThrow('an import of metadata was cut off')
})

test('what is encrypted on request is read and counted as unproven; what of it is lost is found', async () => {
  const storage = new MemoryStorage()
  const f = new Encrypted(new MemoryStore(), storage, underKey(storage))
  await f.bucket()
  const write = { ServerSideEncryption: 'AES256' as const }
  await f.put('inlined', 'short', write)
  await f.put('blob', LONG.repeat(9), write)
  const done = await f.begin(write)
  await f.complete(done, await f.parts(done, LONG, LONG))
  await f.copy('b/big', 'copied', write)
  const underWay = await f.begin(write)
  await f.parts(underWay, LONG)
  expect(await scrubbed(f)).toMatchObject({ found: [], unproven: 5 })
  expect((await scrubbed(f, { isQuick: true })).found).toEqual([])
  const row = await f.ctx.metadata.get('b', 'object', 'inlined')
  const cut = {
    table: 'object' as const,
    sort: 'inlined',
    value: row!.value,
    bytes: row!.bytes!.subarray(1),
  }
  await f.ctx.metadata.commit({ partition: 'b', expects: [], writes: [cut] })
  expect((await scrubbed(f)).found).toEqual(['bytes inlined'])
})

test('an annotation that lost its blob, and one that no version names, are told of', async () => {
  const f = await opened()
  await f.put('k', 'x')
  await annotate(f, 'k', 'a', LONG)
  await annotate(f, 'k', 'b', 'text')
  const set = (await rowOf(f, 'object', 'k')).value.an![0]
  const [extent] = (await rowOf(f, 'part', `${set}.a`)).value.x!
  await f.ctx.storage.delete([extent![0]])
  expect((await scrubbed(f)).found).toEqual([`blob-missing ${set}.a`])
  const { an: _, ...bare } = (await rowOf(f, 'object', 'k')).value
  await write(f, 'object', 'k', bare)
  expect((await scrubbed(f)).found).toContain(`row ${set}.b`)
})
