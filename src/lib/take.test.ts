import { assert, array, asyncProperty, nat, uint8Array } from 'fast-check'
import { expect, test } from 'vitest'
import type { Body } from './stream.ts'
import { takeUpTo } from './take.ts'

/** Gives the chunks one after the other in the same memory, as the contract of Body allows. */
async function* reusing(
  chunks: readonly Uint8Array[],
  onReturn = () => {},
): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(1024)
  try {
    for (const chunk of chunks) {
      memory.fill(0xee)
      memory.set(chunk)
      yield memory.subarray(0, chunk.length)
    }
  } finally {
    onReturn()
  }
}

async function read(body: Body): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

async function* failing(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(10)
  throw new Error('cut off')
}

test('a body up to the limit comes whole, a longer one streams, and no byte changes', async () => {
  await assert(
    asyncProperty(
      array(uint8Array({ minLength: 1, maxLength: 20 }), { maxLength: 10 }),
      nat(120),
      async (chunks, max) => {
        const all = Buffer.concat(chunks)
        const taken = await takeUpTo(reusing(chunks), max)
        expect(taken instanceof Uint8Array).toBe(all.length <= max)
        expect(taken instanceof Uint8Array ? Buffer.from(taken) : await read(taken)).toEqual(all)
      },
    ),
  )
})

test('an error on the way rejects, whether the limit was reached or not', async () => {
  await expect(takeUpTo(failing(), 100)).rejects.toThrow('cut off')
  const taken = await takeUpTo(failing(), 5)
  await expect(read(taken as Body)).rejects.toThrow('cut off')
})

test('a body that is dropped before its first chunk was read releases its source', async () => {
  let released = 0
  const chunks = [new Uint8Array(10), new Uint8Array(10)]
  const taken = await takeUpTo(
    reusing(chunks, () => {
      released += 1
    }),
    5,
  )
  const iterator = (taken as Body)[Symbol.asyncIterator]()
  await iterator.return?.()
  expect(released).toBe(1)
  expect((await iterator.next()).done).toBe(true)
})
