/** Sealing: the contracts over two storages, and that no tampering with what is at rest goes unseen. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { BlobDamaged, BlobMissing } from '../src/lib/store-error.ts'
import { storageReopenContract } from './contract-reopen.ts'
import { difference, ids, list, MIB, read, reusing, sample } from './contract-samples.ts'
import { storageContract } from './contract.ts'
import { FsStorage } from './fs.ts'
import { MemoryStorage } from './memory.ts'
import { openStorage } from './open.ts'
import {
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  plainSizeOf,
  SEALED_SEGMENT_BYTES,
  sealedSizeOf,
  SEGMENT_BYTES,
} from './sealed-format.ts'
import { MasterKeys, type SealKey } from './sealed-keys.ts'
import { SealedStorage } from './sealed.ts'
import type { BlobId, ByteRange, ObjectStorage } from './store.ts'

function keyNamed(id: string): SealKey {
  return { id, key: randomBytes(32).toString('base64') }
}

const KEY = keyNamed('k1')

function directory(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'sluice-sealed-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

function sealed(inner: ObjectStorage, ...keys: readonly SealKey[]): SealedStorage {
  return new SealedStorage(inner, new MasterKeys({ keys: keys.length > 0 ? keys : [KEY] }))
}

storageContract('sealed memory', async () => sealed(new MemoryStorage()))
storageContract('sealed fs', async () => sealed(await FsStorage.open(directory(), SILENT)))
storageReopenContract('sealed fs', {
  options: (at) => ({ engine: 'fs', path: at, seal: { keys: [KEY] } }),
  unfinished: async (at) => readdirSync(path.join(at, 'tmp')),
})

/** What is at rest. */
async function atRest(inner: ObjectStorage, id: BlobId): Promise<Buffer> {
  return read(await inner.get(id))
}

/** Sealed anew with other bytes at rest, and nothing remembered of it. */
async function withAtRest(
  bytes: Uint8Array,
  id: BlobId,
  ...keys: SealKey[]
): Promise<SealedStorage> {
  const inner = new MemoryStorage()
  await inner.put(id, bytes)
  return sealed(inner, ...keys)
}

/** Bytes that were given out of a body, and how it ended. */
async function drain(
  storage: ObjectStorage,
  id: BlobId,
  range?: ByteRange,
): Promise<{ bytes: Buffer; error: unknown }> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of await storage.get(id, range)) chunks.push(Buffer.from(chunk))
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error }
  }
  return { bytes: Buffer.concat(chunks), error: undefined }
}

describe('sizes', () => {
  test('at rest and in clear follow from one another', () => {
    const sizes = fc.oneof(
      fc.nat(300_000),
      fc.nat(5 * 2 ** 30),
      fc.integer({ min: -2, max: 2 }).map((off) => Math.max(0, 3 * SEGMENT_BYTES + off)),
    )
    fc.assert(
      fc.property(sizes, (size) => {
        expect(plainSizeOf(sealedSizeOf(size))).toBe(size)
      }),
    )
    const possible = new Set(Array.from({ length: 140_000 }, (_, size) => sealedSizeOf(size)))
    for (let size = 0; size < 131_000; size += 1)
      expect(plainSizeOf(size) !== undefined).toBe(possible.has(size))
  })

  test('a header says what was put into it', () => {
    const salt = randomBytes(32)
    for (const size of [0, 1, Number.MAX_SAFE_INTEGER, undefined]) {
      const header = { keyId: 'ключ-2026', salt, size }
      expect(decodeHeader(encodeHeader(header))).toEqual(header)
    }
    expect(decodeHeader(Buffer.alloc(HEADER_BYTES))).toBeUndefined()
    expect(decodeHeader(Buffer.alloc(3))).toBeUndefined()
  })
})

describe('ranges', () => {
  const size = 5 * SEGMENT_BYTES + 1234
  const blob = sample(size)
  const near = fc
    .tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: -3, max: 3 }))
    .map(([segment, off]) => Math.min(size, Math.max(0, segment * SEGMENT_BYTES + off)))
  const place = fc.oneof(near, fc.nat(size))

  test.each([true, false])(
    'at and around the borders of segments come as they were put (size announced: %s)',
    async (isAnnounced) => {
      const inner = new MemoryStorage()
      const id = ids.next()
      const options = isAnnounced ? { size } : {}
      await sealed(inner).put(id, reusing(blob, 7777), options)
      const warm = sealed(inner)
      await fc.assert(
        fc.asyncProperty(place, place, fc.boolean(), async (a, b, isCold) => {
          const [start, end] = [Math.min(a, b), Math.max(a, b)]
          if (start === end) return
          const got = await read(await (isCold ? sealed(inner) : warm).get(id, { start, end }))
          expect(difference(got, blob.subarray(start, end))).toBe('none')
        }),
        { numRuns: 200 },
      )
    },
  )

  test('of some bytes are one read of one segment, once the blob is known', async () => {
    const asked: (ByteRange | undefined)[] = []
    const inner = new MemoryStorage()
    const get = inner.get.bind(inner)
    inner.get = (id, range, signal) => {
      asked.push(range)
      return get(id, range, signal)
    }
    const id = ids.next()
    await sealed(inner).put(id, blob)
    const storage = sealed(inner)
    const range = { start: SEGMENT_BYTES + 100, end: SEGMENT_BYTES + 100 + 16_384 }
    const start = HEADER_BYTES + SEALED_SEGMENT_BYTES
    const one = { start, end: start + SEALED_SEGMENT_BYTES }
    await read(await storage.get(id, range))
    expect(asked).toEqual([{ start: 0, end: HEADER_BYTES }, one])
    await read(await storage.get(id, range))
    expect(asked.slice(2)).toEqual([one])
  })
})

describe('tampering', () => {
  const size = 18 * SEGMENT_BYTES + 500
  const blob = sample(size)

  async function sealedBytes(id: BlobId, bytes: Uint8Array = blob): Promise<Buffer> {
    const inner = new MemoryStorage()
    await sealed(inner).put(id, bytes)
    return atRest(inner, id)
  }

  /** What is done with such bytes at rest: `refused`, whatever right bytes were given out before. */
  async function verdict(bytes: Uint8Array, id: BlobId): Promise<string> {
    const { bytes: out, error } = await drain(await withAtRest(bytes, id), id)
    if (difference(out, blob.subarray(0, out.length)) !== 'none') return 'wrong bytes are served'
    if (error === undefined) return 'a clean end'
    return error instanceof Error && !(error instanceof RangeError) ? 'refused' : 'a fault'
  }

  const segment = (index: number): number => HEADER_BYTES + index * SEALED_SEGMENT_BYTES
  const places: readonly (readonly [string, number])[] = [
    ['the magic', 0],
    ['the version', 7],
    ['the length of the key id', 8],
    ['the key id', 9],
    ['what stands behind the key id', 30],
    ['the salt', 41],
    ['the size', 73],
    ['the last byte of the size', 80],
    ['the first byte', segment(0)],
    ['the last byte of a segment', segment(1) - 17],
    ['a tag', segment(1) - 16],
    ['the end of a tag', segment(1) - 1],
    ['a segment in the middle', segment(9) + 1000],
    ['the second chunk', segment(17) + 3],
    ['the last segment', segment(18) + 499],
    ['the last tag', sealedSizeOf(size) - 1],
  ]

  test.each(places)('a flipped bit in %s is seen', async (_, at) => {
    const id = ids.next()
    for (const bit of [1, 128]) {
      const bytes = await sealedBytes(id)
      bytes[at]! ^= bit
      expect(await verdict(bytes, id)).toBe('refused')
      if (at < HEADER_BYTES) continue
      // A range that has the place in it is refused, and one that has not is served.
      const index = Math.floor((at - HEADER_BYTES) / SEALED_SEGMENT_BYTES)
      const storage = await withAtRest(bytes, id)
      const start = index * SEGMENT_BYTES
      await expect(storage.get(id, { start, end: start + 1 })).rejects.toBeInstanceOf(BlobDamaged)
      const other = index === 3 ? 4 : 3
      const range = { start: other * SEGMENT_BYTES, end: (other + 1) * SEGMENT_BYTES }
      const { bytes: out, error } = await drain(storage, id, range)
      expect(error).toBeUndefined()
      expect(difference(out, blob.subarray(range.start, range.end))).toBe('none')
    }
  })

  test('of a small blob each flipped byte is seen, wherever it stands', async () => {
    const id = ids.next()
    const clean = await sealedBytes(id, sample(100))
    for (let at = 0; at < clean.length; at += 1) {
      const bytes = Buffer.from(clean)
      bytes[at]! ^= 0x40
      const { bytes: out, error } = await drain(await withAtRest(bytes, id), id)
      expect(out).toHaveLength(0)
      expect(error).toBeInstanceOf(Error)
    }
  })

  test('a cut is seen, at the border of a segment too', async () => {
    const id = ids.next()
    const bytes = await sealedBytes(id)
    const whole = sample(2 * SEGMENT_BYTES)
    for (const left of [
      0,
      8,
      HEADER_BYTES,
      segment(0) + 16,
      segment(1),
      segment(18),
      segment(5) + 9,
    ])
      expect(await verdict(bytes.subarray(0, left), id)).toBe('refused')
    const even = await sealedBytes(id, whole)
    const cut = await withAtRest(even.subarray(0, segment(1)), id)
    await expect(cut.get(id)).rejects.toBeInstanceOf(BlobDamaged)
  })

  test('a cut of a blob whose size was not announced is seen', async () => {
    const id = ids.next()
    const inner = new MemoryStorage()
    await sealed(inner).put(id, reusing(blob, 50_000))
    const bytes = await atRest(inner, id)
    for (const left of [segment(1), segment(17), segment(18), segment(18) + 100])
      expect(await verdict(bytes.subarray(0, left), id)).toBe('refused')
    expect(await verdict(Buffer.concat([bytes, Buffer.alloc(1)]), id)).toBe('refused')
  })

  test('bytes behind the end are seen before the last bytes are given out', async () => {
    const id = ids.next()
    const bytes = await sealedBytes(id)
    for (const more of [1, 16, SEALED_SEGMENT_BYTES]) {
      const longer = Buffer.concat([bytes, bytes.subarray(-more)])
      const { bytes: out, error } = await drain(await withAtRest(longer, id), id)
      expect(out.length).toBeLessThan(size)
      expect(error).toBeInstanceOf(BlobDamaged)
    }
  })

  test('segments that were exchanged or repeated are seen', async () => {
    const id = ids.next()
    const bytes = await sealedBytes(id)
    const take = (index: number): Buffer => bytes.subarray(segment(index), segment(index + 1))
    const header = bytes.subarray(0, HEADER_BYTES)
    const rest = bytes.subarray(segment(2))
    expect(await verdict(Buffer.concat([header, take(1), take(0), rest]), id)).toBe('refused')
    expect(await verdict(Buffer.concat([header, take(0), take(0), rest]), id)).toBe('refused')
    expect(await verdict(Buffer.concat([header, rest]), id)).toBe('refused')
  })

  test('the bytes of another blob under this id are seen, though both are sealed with one key', async () => {
    const [mine, other] = [ids.next(), ids.next()]
    expect(await verdict(await sealedBytes(other), mine)).toBe('refused')
    const header = (await sealedBytes(mine)).subarray(0, HEADER_BYTES)
    const body = (await sealedBytes(other)).subarray(HEADER_BYTES)
    expect(await verdict(Buffer.concat([header, body]), mine)).toBe('refused')
  })

  test('a blob that was remembered is verified all the same', async () => {
    const inner = new MemoryStorage()
    const storage = sealed(inner)
    const id = ids.next()
    await storage.put(id, blob)
    const bytes = await atRest(inner, id)
    bytes[41]! ^= 1
    await inner.put(id, bytes)
    await expect(storage.get(id)).rejects.toBeInstanceOf(BlobDamaged)
    bytes[41]! ^= 1
    bytes[segment(2)]! ^= 1
    await inner.put(id, bytes)
    const range = { start: 2 * SEGMENT_BYTES, end: 2 * SEGMENT_BYTES + 1 }
    await expect(storage.get(id, range)).rejects.toBeInstanceOf(BlobDamaged)
    await inner.put(id, bytes.subarray(0, segment(2)))
    await expect(storage.get(id, range)).rejects.toBeInstanceOf(BlobMissing)
  })
})

describe('keys', () => {
  test('the first seals, and the others still open what they sealed', async () => {
    const inner = new MemoryStorage()
    const [older, newer] = [ids.next(), ids.next()]
    const [oldKey, newKey] = [keyNamed('2025'), keyNamed('2026')]
    await sealed(inner, oldKey).put(older, sample(1000))
    const rotated = sealed(inner, newKey, oldKey)
    await rotated.put(newer, sample(2000))
    expect(await read(await rotated.get(older))).toHaveLength(1000)
    expect(await read(await sealed(inner, newKey).get(newer))).toHaveLength(2000)
    await expect(sealed(inner, newKey).get(older)).rejects.toThrow('the key "2025", which is not')
    await expect(sealed(inner, oldKey).get(newer)).rejects.toThrow('the key "2026", which is not')
  })

  test('another key of that id opens nothing', async () => {
    const inner = new MemoryStorage()
    const id = ids.next()
    await sealed(inner, keyNamed('k')).put(id, sample(1000))
    await expect(sealed(inner, keyNamed('k')).get(id)).rejects.toBeInstanceOf(BlobDamaged)
  })

  test('the same bytes are sealed differently each time', async () => {
    const inner = new MemoryStorage()
    const [one, two] = [ids.next(), ids.next()]
    for (const id of [one, two]) await sealed(inner).put(id, sample(1000))
    const [a, b] = [await atRest(inner, one), await atRest(inner, two)]
    expect(a.subarray(HEADER_BYTES).equals(b.subarray(HEADER_BYTES))).toBe(false)
  })

  test.each<[string, SealKey[], RegExp]>([
    ['no key', [], /needs a key/],
    ['a short key', [{ id: 'k', key: 'AAAA' }], /"k" has 3 bytes, not 32/],
    ['one id twice', [KEY, KEY], /"k1" is there twice/],
    ['a long id', [keyNamed('é'.repeat(17))], /1 to 32 bytes, not 34/],
  ])('%s is refused', (_, keys, message) => {
    expect(() => new MasterKeys({ keys })).toThrow(message)
  })
})

describe('opening', () => {
  const open = (at: string, ...keys: SealKey[]): Promise<ObjectStorage> =>
    openStorage({ engine: 'fs', path: at, ...(keys.length > 0 && { seal: { keys } }) }, SILENT)

  test('a new storage lists nothing, and is opened again with its key', async () => {
    const at = directory()
    const id = ids.next()
    {
      await using storage = await open(at, KEY)
      expect(await list(storage)).toEqual([])
      await storage.put(id, sample(10))
    }
    await using storage = await open(at, KEY)
    expect(await list(storage)).toEqual([{ id, size: 10 }])
    expect(storage.name).toBe('sealed-fs')
  })

  test('without a key, with an unknown one or another of that id it is refused', async () => {
    const at = directory()
    await (await open(at, KEY))[Symbol.asyncDispose]()
    await expect(open(at)).rejects.toThrow(/is sealed: storage\.seal/)
    await expect(open(at, keyNamed('k2'))).rejects.toThrow('the key "k1", which is not configured')
    await expect(open(at, keyNamed('k1'))).rejects.toThrow(/another master key/)
  })

  test('blobs in clear are not mixed with sealed ones', async () => {
    const at = directory()
    {
      await using storage = await open(at)
      await storage.put(ids.next(), sample(10))
    }
    await expect(open(at, KEY)).rejects.toThrow(/for a new, empty storage/)
    await (await open(at))[Symbol.asyncDispose]()
  })

  test('a key in front rotates: afterwards the old one is needed for old blobs alone', async () => {
    const at = directory()
    const next = keyNamed('k2')
    const id = ids.next()
    {
      await using storage = await open(at, KEY)
      await storage.put(id, sample(10))
    }
    {
      await using storage = await open(at, next, KEY)
      expect(await list(storage)).toEqual([{ id, size: 10 }])
    }
    await using storage = await open(at, next)
    await expect(storage.get(id)).rejects.toThrow('the key "k1", which is not configured')
    await storage.delete([id])
    expect(await list(storage)).toEqual([])
  })
})

test('at rest there is no plaintext, not even in files being written', async () => {
  const at = directory()
  await using storage = await openStorage({ engine: 'fs', path: at, seal: { keys: [KEY] } }, SILENT)
  const secret = 'the eagle lands at dawn '
  const onDisk = (): Buffer[] =>
    readdirSync(at, { recursive: true, encoding: 'utf8' })
      .map((name) => path.join(at, name))
      .filter((name) => statSync(name).isFile())
      .map((name) => readFileSync(name))
  let isWritten = false
  async function* telling(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 50; count += 1) yield Buffer.from(secret.repeat(4000))
    isWritten = onDisk().some((bytes) => bytes.length > MIB)
    for (const bytes of onDisk()) expect(bytes.includes(secret)).toBe(false)
  }
  await storage.put(ids.next(), telling())
  await storage.put(ids.next(), Buffer.from(secret))
  expect(isWritten).toBe(true)
  expect(onDisk().length).toBeGreaterThanOrEqual(3)
  for (const bytes of onDisk()) {
    expect(bytes.includes(secret)).toBe(false)
    expect(bytes.includes(secret.slice(4, 20))).toBe(false)
  }
})
