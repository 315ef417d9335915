import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encoderFor } from './url-encoding.ts'

const text = fc
  .array(fc.integer({ min: 0, max: 0x10ffff }))
  .map((points) => String.fromCodePoint(...points).toWellFormed())

const encode = encoderFor('url')

test('slashes and unreserved characters stay, all others are escaped as S3 escapes them', () => {
  expect(encode('quux ab/thud')).toBe('quux%20ab/thud')
  expect(encode('asdf+b')).toBe('asdf%2Bb')
  expect(encode('a-b_c.d~e/F9')).toBe('a-b_c.d~e/F9')
  expect(encode("!'()*%&\0\n é")).toBe('%21%27%28%29%2A%25%26%00%0A%20%C3%A9')
})

test('both kinds of decoders read the key that was meant', () => {
  fc.assert(
    fc.property(text, (key) => {
      expect(encode(key)).toMatch(/^[\w.~/%-]*$/)
      expect(decodeURIComponent(encode(key))).toBe(key)
      expect(decodeURIComponent(encode(key).replaceAll('+', ' '))).toBe(key)
    }),
  )
})

test('without an encoding keys stay as they are; an unknown one is refused', () => {
  expect(encoderFor(undefined)('a b/ü')).toBe('a b/ü')
  expect(() => encoderFor('base64')).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})
