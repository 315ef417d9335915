import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeToken, encodeToken } from './token.ts'

const text = fc
  .array(fc.integer({ min: 0, max: 0x10ffff }))
  .map((points) => String.fromCodePoint(...points).toWellFormed())

const refused = expect.objectContaining({
  code: 'InvalidArgument',
  message: 'The continuation token provided is incorrect',
})

test('a token gives back the marker that it was made of, whatever its characters', () => {
  fc.assert(
    fc.property(
      text.filter((t) => t !== ''),
      (marker) => {
        const token = encodeToken('objects', marker)
        expect(token).toMatch(/^[\w-]+$/)
        expect(decodeToken('objects', token)).toBe(marker)
      },
    ),
  )
})

test('a token of another listing, or with any character changed, is refused', () => {
  const token = encodeToken('objects', 'some/key')
  expect(() => decodeToken('buckets', token)).toThrow(refused)
  for (let at = 0; at < token.length; at++) {
    const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
    expect(() => decodeToken('objects', changed)).toThrow(refused)
  }
})

test('what is no token at all is refused', () => {
  for (const garbage of ['x', 'some/key', '====', `${encodeToken('objects', 'a')}=`, 'é'])
    expect(() => decodeToken('objects', garbage)).toThrow(refused)
})
