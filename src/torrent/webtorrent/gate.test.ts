import { expect, test } from 'vitest'
import { Gate, HELD_HIGH_BYTES, HELD_LOW_BYTES } from './gate.ts'

function opened(rateMax: number): { gate: Gate; rates: number[] } {
  const rates: number[] = []
  return { gate: new Gate({ throttleDownload: (rate) => void rates.push(rate) }, rateMax), rates }
}

test('peers are held back above the high mark, and go on at the low one', () => {
  const { gate, rates } = opened(0)
  gate.add(HELD_HIGH_BYTES)
  expect(rates).toEqual([])
  gate.add(1)
  expect(rates).toEqual([1])
  gate.remove(HELD_HIGH_BYTES - HELD_LOW_BYTES)
  expect(rates).toEqual([1])
  gate.remove(1)
  expect(rates).toEqual([1, -1])
})

test('a full disk holds them back whatever is in hand, until all have drained', async () => {
  const { gate, rates } = opened(0)
  const [one, two] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  gate.waitFor(one.promise)
  gate.waitFor(two.promise)
  one.resolve()
  await one.promise
  expect(rates).toEqual([1])
  two.reject(new Error('the disk has gone'))
  await two.promise.catch(() => {})
  await Promise.resolve()
  expect(rates).toEqual([1, -1])
})

test('the bound that was given holds again afterwards', async () => {
  const { gate, rates } = opened(5000)
  gate.add(HELD_HIGH_BYTES + 1)
  gate.remove(HELD_HIGH_BYTES + 1)
  expect(rates).toEqual([1, -1, 5000])
})
