import { expect, test } from 'vitest'
import { type Segment, SegmentState } from './segment-state.ts'

function segment(number: number): Segment {
  return { fd: 0, file: `${number}`, number, salt: 0, end: 64, sizeBytes: 0 }
}

test('entries of a segment that is full, or was cut off, take 4 bytes each, and no room besides', () => {
  const state = new SegmentState(0, undefined)
  const [first, second] = [segment(1), segment(2)]
  for (let i = 0; i < 1000; i++) state.append(first, 1, 64 + i * 32, 32)
  for (let i = 0; i < 300; i++) state.append(second, 1, 64 + i * 32, 32)
  expect(state.runOf(1).offsets).toHaveLength(1000)
  expect(state.runOf(1000).offsets[999]).toBe(64 + 999 * 32)
  state.truncate(1201)
  state.append(second, 2, 64 + 300 * 32, 32)
  expect(state.runOf(1200).offsets).toHaveLength(200)
  expect(state.runOf(1201)).toMatchObject({ first: 1201, count: 1 })
  // Cut back into the first one: what comes then stands in the second all the same.
  state.truncate(501)
  state.append(second, 3, 64 + 301 * 32, 32)
  expect(state.runOf(500)).toMatchObject({ segment: first, count: 500, end: 64 + 500 * 32 })
  expect(state.runOf(501)).toMatchObject({ segment: second, first: 501 })
  expect(state.last).toBe(501)
})
