import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareUtf8 } from '../src/lib/utf8.ts'
import { decodeOrdered, encodeOrdered } from './ordered-text.ts'

const character = fc.constantFrom('a', 'b', '/', '\0', '\u0001', 'é', '\uffff', '\u{1f600}', '~')
const text = fc.array(character, { maxLength: 9 }).map((characters) => characters.join(''))

function sign(value: number): number {
  return Math.sign(value)
}

test('texts compare as the UTF-8 bytes of their keys, and give them back', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      const [x, y] = [encodeOrdered(a), encodeOrdered(b)]
      expect(x < y ? -1 : x > y ? 1 : 0).toBe(sign(compareUtf8(a, b)))
      expect(decodeOrdered(x)).toBe(a)
    }),
  )
})

test('the longest key has 1366 characters, and what stands right behind it one more', () => {
  const longest = '\u{10ffff}'.repeat(256)
  expect(encodeOrdered(longest)).toHaveLength(1366)
  expect(encodeOrdered(`${longest}\0`)).toHaveLength(1367)
})

test('an end longer than any key is cut, and still stands right of the keys before it', () => {
  const key = 'x'.repeat(1024)
  const end = encodeOrdered(`${key}${'y'.repeat(1000)}`)
  expect(end).toHaveLength(1367)
  expect(end > encodeOrdered(key)).toBe(true)
  expect(end < encodeOrdered(`${key.slice(1)}y`)).toBe(true)
})

test('it is written in letters, digits, "-" and "~" alone', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (key) => {
      fc.pre(key.isWellFormed())
      expect(encodeOrdered(key)).toMatch(/^[-0-9A-Za-z~]*$/)
    }),
  )
})
