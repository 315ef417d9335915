import { expect, test } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseSize, UnitError } from './config-units.ts'

test.each([
  ['0', 0],
  [4096, 4096],
  ['64KiB', 65_536],
  ['64 kib', 65_536],
  ['10MB', 10_000_000],
  ['1.5GiB', 1_610_612_736],
  ['5TiB', 5 * 2 ** 40],
])('the size %j is %i bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes))

test.each(['', 'big', '-1', '5XiB', '1e3', '5 5', '9999999TiB', 'KiB', -1, 1.25e300])(
  '%j is no size',
  (text) => expect(() => parseSize(text)).toThrow(UnitError),
)

test.each([
  ['0', 0],
  [0, 0],
  ['250ms', 250],
  ['30s', 30_000],
  ['1.5h', 5_400_000],
  ['7d', 604_800_000],
  ['2w', 1_209_600_000],
])('the duration %j is %i ms', (text, ms) => expect(parseDuration(text)).toBe(ms))

test.each(['', ' ', '30', 30, 's', '-1s', '1y', 'soon'])('%j is no duration', (text) =>
  expect(() => parseDuration(text)).toThrow(UnitError),
)

test('what is formatted parses to the same', () => {
  for (const bytes of [0, 1, 1023, 1024, 1500, 5 * 2 ** 30, 2 ** 40])
    expect(parseSize(formatSize(bytes))).toBe(bytes)
  for (const ms of [0, 1, 999, 1000, 90_000, 604_800_000])
    expect(parseDuration(formatDuration(ms))).toBe(ms)
  expect([formatSize(5 * 2 ** 30), formatDuration(90_000)]).toEqual(['5GiB', '90s'])
})
