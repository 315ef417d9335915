import { createHmac } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { deriveSigningKey, sameSignature, SigningKey } from './signing-key.ts'

const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
  maxLength: 700,
})

it('signs as HMAC-SHA256 does, for every key and message', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(latin1, { maxLength: 4 }),
      (key, messages) => {
        const ours = new SigningKey(key)
        for (const message of messages) {
          const theirs = createHmac('sha256', key).update(message, 'latin1').digest('hex')
          expect(ours.sign(message)).toBe(theirs)
        }
      },
    ),
  )
  for (const length of [447, 448, 449, 5000]) {
    const message = 'm'.repeat(length)
    const theirs = createHmac('sha256', 'k').update(message).digest('hex')
    expect(new SigningKey(Buffer.from('k')).sign(message)).toBe(theirs)
  }
  expect(() => new SigningKey(new Uint8Array(65))).toThrow(RangeError)
})

it("derives the key of AWS's example", () => {
  const key = deriveSigningKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', '20130524', 'us-east-1')
  const text =
    'AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972'
  expect(key.sign(text)).toBe('f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41')
})

it('signatures are the same only where every digit is', () => {
  const signature = '0123456789abcdef'.repeat(4)
  expect(sameSignature(signature, signature)).toBe(true)
  for (let at = 0; at < 64; at++) {
    const other = `${signature.slice(0, at)}x${signature.slice(at + 1)}`
    expect(sameSignature(signature, other)).toBe(false)
  }
  for (const other of ['', signature.slice(1), `${signature}0`, signature.toUpperCase()]) {
    expect(sameSignature(signature, other)).toBe(false)
  }
  expect(sameSignature('', '')).toBe(false)
})
