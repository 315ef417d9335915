import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { afterPrefix, compareUtf8, utf8Length } from './utf8.ts'

/** Text that gathers at the edges of UTF-8's lengths and of UTF-16's surrogates. */
const EDGES = [
  0, 1, 0x2f, 0x61, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff,
]
const character = fc.oneof(
  fc.constantFrom(...EDGES).map((point) => String.fromCodePoint(point)),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
)
const text = fc.array(character, { maxLength: 6 }).map((characters) => characters.join(''))

describe('compareUtf8', () => {
  test('orders any two texts as their bytes', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
      }),
      { numRuns: 2000 },
    )
  })

  test('an astral character stands behind U+FFFF, unlike in UTF-16', () => {
    expect(compareUtf8('\u{ffff}', '\u{10000}')).toBeLessThan(0)
    expect(['\u{ffff}', '\u{10000}'].sort()).toEqual(['\u{10000}', '\u{ffff}'])
  })

  test('NUL is a character like any other', () => {
    expect(compareUtf8('a', 'a\0')).toBeLessThan(0)
    expect(compareUtf8('a\0', 'a\x01')).toBeLessThan(0)
  })
})

describe('afterPrefix', () => {
  test('stands above every text with the prefix, and nothing without it lies between', () => {
    fc.assert(
      fc.property(text, text, text, (prefix, tail, other) => {
        const after = afterPrefix(prefix)
        if (after === undefined) return
        expect(after.isWellFormed()).toBe(true)
        expect(compareUtf8(prefix + tail, after)).toBeLessThan(0)
        const between = compareUtf8(other, prefix) >= 0 && compareUtf8(other, after) < 0
        expect(between).toBe(other.startsWith(prefix))
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['a', 'b'],
    ['a/', 'a0'],
    ['\u{d7ff}', '\u{e000}'],
    ['\u{ffff}', '\u{10000}'],
    ['a\u{10ffff}\u{10ffff}', 'b'],
    ['', undefined],
    ['\u{10ffff}', undefined],
  ])('of %j is %j', (prefix, after) => {
    expect(afterPrefix(prefix)).toBe(after)
  })
})

test('utf8Length counts the bytes', () => {
  fc.assert(
    fc.property(text, (value) => {
      expect(utf8Length(value)).toBe(Buffer.byteLength(value))
    }),
  )
})
