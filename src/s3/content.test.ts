import { setImmediate as turn } from 'node:timers/promises'
import { array, assert, asyncProperty, nat, string } from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { Body } from '../lib/stream.ts'
import {
  extentsBetween,
  extentsOf,
  findPart,
  partsBehind,
  partsContent,
  readContent,
} from './content.ts'
import { mergeExtents, sliceExtents } from './extents.ts'
import type { Content, Extent, StoredPart } from './rows.ts'
import { bytesOf, CALL, Fixture, textOf } from './s3.fixture.ts'
import { transact } from './transact.ts'

const MIB = 1024 * 1024

/** Storage that counts the bodies that were opened and not ended. */
class CountingStorage extends MemoryStorage {
  open = 0
  opened = 0

  override async get(...args: Parameters<MemoryStorage['get']>): Promise<Body> {
    const body = await super.get(...args)
    this.open++
    this.opened++
    const inner = body[Symbol.asyncIterator]()
    let isOpen = true
    const end = (): void => {
      if (isOpen) this.open--
      isOpen = false
    }
    const iterator: AsyncIterator<Uint8Array> = {
      next: async () => {
        const step = await inner.next()
        if (step.done === true) end()
        return step
      },
      return: async () => {
        end()
        await inner.return?.()
        return { done: true, value: undefined }
      },
    }
    return { [Symbol.asyncIterator]: () => iterator }
  }
}

async function store(f: Fixture, text: string): Promise<Extent> {
  const id = f.ctx.ids.next()
  await f.ctx.storage.put(id, Buffer.from(text))
  return [id, 0, text.length]
}

/** Parts of the given texts (their numbers 1, 3, 5, ...), as the content of a version. */
async function partsOfTexts(f: Fixture, texts: readonly string[]): Promise<Content> {
  const parts: StoredPart[] = []
  for (const [index, text] of texts.entries()) {
    const extents = text === '' ? [] : [await store(f, text)]
    parts.push([index * 2 + 1, text.length, null, extents])
  }
  return transact(f.ctx.metadata, 'b', async (tx) => partsContent(f.ctx, tx, parts))
}

const few = array(string({ unit: 'grapheme-ascii', maxLength: 9 }), {
  minLength: 1,
  maxLength: 8,
})

test('any range of an object in parts gives the bytes that it would give of the whole', async () => {
  await assert(
    asyncProperty(few, nat(), nat(), async (texts, a, b) => {
      const f = new Fixture(new MemoryStore(), new MemoryStorage())
      const whole = texts.join('')
      const content = await partsOfTexts(f, texts)
      const start = a % (whole.length + 1)
      const end = start + (b % (whole.length - start + 1))
      const body = await readContent(f.ctx, 'b', content, undefined, { start, end }, CALL)
      expect(await textOf(body)).toBe(whole.slice(start, end))
    }),
  )
})

test('an object of 1203 parts is found by byte and by part across its pages', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  const texts = Array.from({ length: 1203 }, (_, n) => `<${n}>`)
  const content = await partsOfTexts(f, texts)
  expect(content.g).toHaveLength(3)
  expect(content.n).toBe(1203)
  const whole = texts.join('')
  for (const at of [0, 1000, whole.indexOf('<500>'), whole.indexOf('<1000>') - 1]) {
    const range = { start: at, end: at + 20 }
    const body = await readContent(f.ctx, 'b', content, undefined, range, CALL)
    expect(await textOf(body)).toBe(whole.slice(at, at + 20))
  }
  for (const n of [0, 499, 500, 1202]) {
    const placed = await findPart(f.ctx, 'b', content, n * 2 + 1)
    expect(whole.slice(placed!.start, placed!.end)).toBe(`<${n}>`)
    expect(await findPart(f.ctx, 'b', content, n * 2 + 2)).toBeUndefined()
  }
  const numbers: number[] = []
  for await (const [number] of partsBehind(f.ctx, 'b', content, 2399)) numbers.push(number)
  expect(numbers).toEqual([2401, 2403, 2405])
  let extents = 0
  for await (const extent of extentsOf(f.ctx, 'b', content)) extents += extent[2] > 0 ? 1 : 0
  expect(extents).toBe(1203)
})

test('empty parts keep their place among the others', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  const content = await partsOfTexts(f, ['', 'a', ''])
  const numbers: number[] = []
  for await (const [number] of partsBehind(f.ctx, 'b', content, 0)) numbers.push(number)
  expect(numbers).toEqual([1, 3, 5])
  expect(await findPart(f.ctx, 'b', content, 5)).toMatchObject({ start: 1, end: 1 })
})

test('a slice of extents keeps blobs and refs, and merging joins what belongs together', () => {
  const extents: Extent[] = [
    ['A', 10, 20],
    ['B', 0, 5, 'r'],
    ['C', 7, 9],
  ]
  expect(sliceExtents(extents, 8, 16)).toEqual([
    ['A', 18, 20],
    ['B', 0, 5, 'r'],
    ['C', 7, 8],
  ])
  expect(sliceExtents(extents, 3, 3)).toEqual([])
  const merged = mergeExtents([
    ['A', 0, 5],
    ['A', 5, 9],
    ['A', 9, 12, 'r'],
    ['A', 12, 13, 'r'],
    ['B', 13, 14, 'r'],
    ['B', 20, 21, 'r'],
  ])
  expect(merged).toEqual([
    ['A', 0, 9],
    ['A', 9, 13, 'r'],
    ['B', 13, 14, 'r'],
    ['B', 20, 21, 'r'],
  ])
})

test('a body is closed when it was read, when its reader stops, and even when it never began', async () => {
  const storage = new CountingStorage()
  const f = new Fixture(new MemoryStore(), storage)
  const content: Content = { x: [await store(f, 'first'), await store(f, 'second')] }
  const open = async (): Promise<Body> =>
    (await readContent(f.ctx, 'b', content, undefined, { start: 1, end: 9 }, CALL)) as Body
  expect((await bytesOf(await open())).toString()).toBe('irstseco')
  expect(storage.open).toBe(0)
  for await (const _chunk of await open()) break
  expect(storage.open).toBe(0)
  const body = await open()
  expect(storage.open).toBe(1)
  await body[Symbol.asyncIterator]().return?.()
  expect(storage.open).toBe(0)
})

const textOfChunk = ({ value }: IteratorResult<Uint8Array>): string => Buffer.from(value).toString()

test('the next blob is opened before its turn, one at a time, and not while much is left of the first', async () => {
  const storage = new CountingStorage()
  const f = new Fixture(new MemoryStore(), storage)
  const long = 'x'.repeat(5 * MIB)
  const content: Content = {
    x: [await store(f, long), await store(f, 'second'), await store(f, 'third')],
  }
  const range = { start: 0, end: long.length + 11 }
  const body = (await readContent(f.ctx, 'b', content, undefined, range, CALL)) as Body
  const reader = body[Symbol.asyncIterator]()
  let read = 0
  while (read < long.length) {
    read += (await reader.next()).value!.length
    expect(storage.opened).toBe(read < MIB ? 1 : 2)
  }
  expect(textOfChunk(await reader.next())).toBe('second')
  expect(storage.opened).toBe(3)
  await reader.return?.()
  expect(storage.open).toBe(0)
  expect(f.ctx.reading.holdsAny(content.x!)).toBe(false)
})

test('a next blob that cannot be opened is told when its turn comes, and all is closed', async () => {
  const storage = new CountingStorage()
  const f = new Fixture(new MemoryStore(), storage)
  const gone: Extent = [f.ctx.ids.next(), 0, 5]
  const content: Content = { x: [await store(f, 'first'), gone, await store(f, 'third')] }
  const range = { start: 0, end: 15 }
  const body = (await readContent(f.ctx, 'b', content, undefined, range, CALL)) as Body
  const reader = body[Symbol.asyncIterator]()
  expect(textOfChunk(await reader.next())).toBe('first')
  await turn()
  await expect(reader.next()).rejects.toMatchObject({ name: 'BlobMissing' })
  expect(await reader.next()).toEqual({ done: true, value: undefined })
  expect(storage.open).toBe(0)
  expect(f.ctx.reading.holdsAny(content.x!)).toBe(false)
})

test('the extents of a range across parts are joined where they follow each other', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  const [blob] = await store(f, 'one blob, two parts')
  const content: Content = {
    p: [
      [1, 4, null, [[blob, 0, 4]]],
      [2, 15, null, [[blob, 4, 19]]],
    ],
    n: 2,
  }
  const extents = await extentsBetween(f.ctx, 'b', content, { start: 2, end: 10 })
  expect(extents).toEqual([[blob, 2, 10]])
})
