import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readDate, writeHttpDate, writeIsoDate } from './date-text.ts'

const seconds = fc.integer({ min: -62_135_596_800, max: 253_402_300_799 })

test('what is written is what the platform writes, cut to seconds', () => {
  fc.assert(
    fc.property(seconds, fc.integer({ min: 0, max: 999 }), (second, ms) => {
      const date = new Date(second * 1000 + ms)
      expect(writeIsoDate(date)).toBe(new Date(second * 1000).toISOString())
      expect(writeHttpDate(date)).toBe(date.toUTCString())
    }),
    { numRuns: 2000 },
  )
})

test.each([
  'Sun, 06 Nov 1994 08:49:37 GMT',
  'Sunday, 06-Nov-94 08:49:37 GMT',
  'Sun Nov  6 08:49:37 1994',
  'Sun, 06 Nov 1994 09:49:37 +0100',
  'Sun, 06 Nov 1994 08:49:37 -0000',
  '1994-11-06T08:49:37Z',
  '1994-11-06T08:49:37',
  '1994-11-06T08:49:37.000Z',
  '1994-11-06T09:49:37+01:00',
  ' 1994-11-06T08:49:37Z ',
])('%s is read', (text) => {
  expect(readDate(text)?.getTime()).toBe(Date.UTC(1994, 10, 6, 8, 49, 37))
})

test('a day alone is its midnight in UTC', () => {
  expect(readDate('1994-11-06')?.getTime()).toBe(Date.UTC(1994, 10, 6))
})

test.each([
  '',
  'yesterday',
  '0',
  '123',
  '1994',
  '1994-13-06',
  '1994-11-06T25:00:00Z',
  'Sun, 99 Nov 1994 08:49:37 GMT',
])('%j is no date', (text) => {
  expect(readDate(text)).toBe(undefined)
})
