import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareUtf8 } from '../src/lib/utf8.ts'
import {
  bytesLiteral,
  escapeKey,
  isFoundEscaped,
  isRev,
  LEAST_AFTER,
  numbersLiteral,
  textsLiteral,
  unescapeKey,
} from './postgres-cells.ts'

const character = fc.constantFrom(
  '\0',
  '\u0001',
  '\u0002',
  '\u0003',
  '\u0004',
  'a',
  '/',
  '\uffff',
  '\u{1f600}',
)
const key = fc.array(character, { maxLength: 6 }).map((characters) => characters.join(''))

describe('keys as text', () => {
  test('common keys stay as they are', () => {
    for (const common of ['', 'photos/2026/é.jpg', '\u0002', `'"\\{},%_`])
      expect(escapeKey(common)).toBe(common)
  })

  test('there is no NUL in them, they come back, and they sort as they did', () => {
    const property = fc.property(key, key, (a, b) => {
      expect(escapeKey(a)).not.toContain('\0')
      expect(unescapeKey(escapeKey(a))).toBe(a)
      expect(Math.sign(compareUtf8(escapeKey(a), escapeKey(b)))).toBe(Math.sign(compareUtf8(a, b)))
    })
    expect(() => fc.assert(property, { numRuns: 2000 })).not.toThrow()
  })

  test('what begins with a key is behind it and its least successor, and nothing is between', () => {
    const property = fc.property(key, key, (a, b) => {
      const isBehind = compareUtf8(b, a) > 0
      expect(compareUtf8(escapeKey(b), escapeKey(a) + LEAST_AFTER) >= 0).toBe(isBehind)
    })
    expect(() => fc.assert(property, { numRuns: 2000 })).not.toThrow()
  })

  test('a delimiter is found where it is, or is said not to be found so', () => {
    const property = fc.property(key, key, (text, delimiter) => {
      fc.pre(delimiter !== '' && isFoundEscaped(delimiter))
      const at = text.indexOf(delimiter)
      const found = escapeKey(text).indexOf(escapeKey(delimiter))
      expect(found).toBe(at < 0 ? -1 : escapeKey(text.slice(0, at)).length)
    })
    expect(() => fc.assert(property, { numRuns: 2000 })).not.toThrow()
    expect(isFoundEscaped('/')).toBe(true)
    for (const odd of ['\0', '\u0001', '\u0002', '\u0003a']) expect(isFoundEscaped(odd)).toBe(false)
  })
})

describe('array literals', () => {
  test('texts are quoted, so that nothing in them is syntax', () => {
    expect(textsLiteral([])).toBe('{}')
    expect(textsLiteral(['a', '', 'NULL', '}', 'a"b\\c,'])).toBe(
      String.raw`{"a","","NULL","}","a\"b\\c,"}`,
    )
  })

  test('bytes are hexadecimal, and NULL where there are none', () => {
    expect(bytesLiteral([Uint8Array.of(0, 171, 255), undefined, new Uint8Array(0)])).toBe(
      String.raw`{"\\x00abff",NULL,"\\x"}`,
    )
    expect(bytesLiteral([Buffer.from('xyz').subarray(1, 2)])).toBe(String.raw`{"\\x79"}`)
  })

  test('numbers stand bare', () => {
    expect(numbersLiteral([1, '9223372036854775807'])).toBe('{1,9223372036854775807}')
  })
})

test('only what the engine may have given out is a rev', () => {
  expect(['1', '9007199254740993'].map(isRev)).toEqual([true, true])
  expect([0, 1, '', '0', '01', 'x', '1}', '1'.repeat(20)].map(isRev)).not.toContain(true)
})
