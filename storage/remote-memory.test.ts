import { expect, test } from 'vitest'
import { MIB } from './contract-samples.ts'
import { EQUAL_PARTS, PART_BYTES, SHRINKING_PARTS, UploadMemory } from './remote-memory.ts'

test('an upload with parts on their way waits, one without does not', async () => {
  const memory = new UploadMemory(EQUAL_PARTS)
  const lent = await Promise.all(
    Array.from({ length: 16 }, () => memory.take(PART_BYTES, () => false)),
  )
  let isAhead = true
  let got: Buffer | undefined
  const waiting = memory.take(PART_BYTES, () => isAhead).then((buffer) => (got = buffer))
  await memory.take(PART_BYTES, () => false)
  expect(got).toBeUndefined()
  // Its own parts have arrived: it is now one without.
  isAhead = false
  memory.give(lent[0]!)
  expect((await waiting).length).toBe(PART_BYTES)
  expect(memory.lentBytes).toBe(17 * PART_BYTES)
})

test('whoever waits gives up at an abort', async () => {
  const memory = new UploadMemory(EQUAL_PARTS)
  await memory.take(200 * MIB, () => false)
  const abort = new AbortController()
  const waiting = memory.take(PART_BYTES, () => true, abort.signal)
  abort.abort(new Error('gone'))
  await expect(waiting).rejects.toThrow('gone')
})

test('where parts may differ, they get small once large ones are out, and no upload takes more than its share', async () => {
  const memory = new UploadMemory(SHRINKING_PARTS)
  const sizes: number[] = []
  for (let upload = 0; upload < 16; upload += 1)
    sizes.push((await memory.take(PART_BYTES, () => false)).length)
  expect(sizes.filter((size) => size === PART_BYTES)).toHaveLength(2)
  expect(new Set(sizes)).toEqual(new Set([PART_BYTES, MIB]))
  expect(memory.lentBytes).toBe(30 * MIB)
  // Parts that must be large, for there would be too many, are.
  expect((await memory.take(2 * PART_BYTES, () => false)).length).toBe(2 * PART_BYTES)
})
