import { createSecretKey, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { openShort, sealShort, SHORT_SEAL_BYTES } from './short-seal.ts'

const key = createSecretKey(randomBytes(32))
const text = Buffer.from('a text')

test('what was sealed is opened again, and is never sealed alike', () => {
  const sealed = sealShort(key, 'a', text)
  expect(sealed.length).toBe(text.length + SHORT_SEAL_BYTES)
  expect(sealed.includes(text)).toBe(false)
  expect(openShort(key, 'a', sealed)).toEqual(text)
  expect(sealShort(key, 'a', text).equals(sealed)).toBe(false)
  expect(openShort(key, 'a', sealShort(key, 'a', Buffer.alloc(0)))).toEqual(Buffer.alloc(0))
})

test('another key, another purpose, and every changed or missing byte is found out', () => {
  const sealed = sealShort(key, 'a', text)
  expect(openShort(createSecretKey(randomBytes(32)), 'a', sealed)).toBeUndefined()
  expect(openShort(key, 'b', sealed)).toBeUndefined()
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed)
    changed[at]! ^= 1
    expect(openShort(key, 'a', changed)).toBeUndefined()
    expect(openShort(key, 'a', sealed.subarray(0, at))).toBeUndefined()
  }
})
