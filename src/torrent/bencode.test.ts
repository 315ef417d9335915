import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  bdecode,
  bdecodeFirst,
  bencode,
  type Bencoded,
  BENCODE_DEPTH_MAX,
  BencodedDictionary,
  BencodeError,
} from './bencode.ts'

function plain(value: Bencoded): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (value instanceof BencodedDictionary)
    return Object.fromEntries([...value.entries].map(([key, each]) => [key, plain(each)]))
  if (Array.isArray(value)) return value.map((each: Bencoded) => plain(each))
  return value
}

const read = (text: string): unknown => plain(bdecode(Buffer.from(text, 'latin1')))

test('each kind of value is read as it was written', () => {
  expect(read('i42e')).toBe(42)
  expect(read('i-42e')).toBe(-42)
  expect(read('i0e')).toBe(0)
  expect(read('0:')).toBe('')
  expect(read('4:sp\xe4m')).toBe('sp\xe4m')
  expect(read('le')).toEqual([])
  expect(read('l1:ai1ee')).toEqual(['a', 1])
  expect(read('d1:ai1e1:bl1:cee')).toEqual({ a: 1, b: ['c'] })
})

test('integers that a number cannot hold are exact, up to 64 bits', () => {
  expect(read('i9223372036854775807e')).toBe(9_223_372_036_854_775_807n)
  expect(read('i-9223372036854775808e')).toBe(-9_223_372_036_854_775_808n)
  expect(() => read('i9223372036854775808e')).toThrow(BencodeError)
  expect(() => read(`i${'9'.repeat(20)}e`)).toThrow(BencodeError)
})

test.each([
  '',
  'i',
  'ie',
  'i-e',
  'i1',
  'i1.5e',
  'i+1e',
  'i 1e',
  '1',
  '1:',
  '2:a',
  '-1:a',
  'l',
  'li1e',
  'd',
  'd1:a',
  'd1:ae',
  'di1ei2ee',
  'x',
  '99999999999:a',
  'i1ei2e',
])('%j is refused', (text) => {
  expect(() => read(text)).toThrow(BencodeError)
})

test('what follows the value is passed over where it may be', () => {
  expect(bdecodeFirst(Buffer.from('i1e\n'))).toBe(1)
  expect(() => bdecode(Buffer.from('i1e\n'))).toThrow('bytes behind the end at byte 3')
})

test('depth is bounded', () => {
  const nested = (depth: number): string => 'l'.repeat(depth) + 'e'.repeat(depth)
  expect(() => read(nested(BENCODE_DEPTH_MAX + 1))).not.toThrow()
  expect(() => read(nested(BENCODE_DEPTH_MAX + 2))).toThrow('nested too deeply')
  expect(() => read('l'.repeat(1_000_000))).toThrow('nested too deeply')
})

test('a dictionary knows its own bytes, and whether they are the one way to write it', () => {
  const of = (text: string): BencodedDictionary =>
    bdecode(Buffer.from(`d4:info${text}e`)) as BencodedDictionary
  const info = of('d1:ai1ee').dictionary('info')!
  expect(Buffer.from(info.encoded).toString()).toBe('d1:ai1ee')
  expect(info.isCanonical).toBe(true)
  for (const text of ['d1:bi1e1:ai1ee', 'd1:ai1e1:ai2ee', 'd1:ai01ee', 'd1:ai-0ee', 'd01:ai1ee'])
    expect(of(text).dictionary('info')!.isCanonical).toBe(false)
  // A fault before it is not its own.
  const after = bdecode(Buffer.from('d1:ai00e1:bdee')) as BencodedDictionary
  expect(after.dictionary('b')!.isCanonical).toBe(true)
  expect(after.isCanonical).toBe(false)
})

test('of a key that comes twice the first counts', () => {
  expect(read('d1:ai1e1:ai2ee')).toEqual({ a: 1 })
})

test('what is encoded is read back, and its keys are in order', () => {
  expect(bencode({ b: 1, a: [2n, 'ä'], none: undefined }).toString()).toBe('d1:ali2e2:äe1:bi1ee')
  expect(() => bencode(1.5)).toThrow(RangeError)
  const key = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((n) => String.fromCharCode(n)),
  })
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.maxSafeInteger(),
      fc.uint8Array(),
      fc.array(tie('value')),
      fc.array(fc.tuple(key, tie('value'))).map((entries) => new Map(entries)),
    ),
  }))
  fc.assert(
    fc.property(value, (each) => {
      const encoded = bencode(each as Parameters<typeof bencode>[0])
      const decoded = bdecode(encoded)
      expect(bencode(again(decoded))).toEqual(encoded)
      if (decoded instanceof BencodedDictionary) expect(decoded.isCanonical).toBe(true)
    }),
  )
})

function again(value: Bencoded): Parameters<typeof bencode>[0] {
  if (value instanceof BencodedDictionary)
    return new Map([...value.entries].map(([key, each]) => [key, again(each)]))
  if (Array.isArray(value)) return value.map((each: Bencoded) => again(each))
  return value as number | bigint | Uint8Array
}

test('any bytes are read or refused, and nothing else happens', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...Array.from('ilde0123456789:-a')), maxLength: 40 }),
      (text) => {
        try {
          read(text)
        } catch (error) {
          expect(error).toBeInstanceOf(BencodeError)
        }
      },
    ),
    { numRuns: 2000 },
  )
})
