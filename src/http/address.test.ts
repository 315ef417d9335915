import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { decodeEscapes, locate } from './address.ts'

const DOMAINS = ['s3.example.com', 'example.com']

function place(target: string, host = 'localhost:9000'): [string | undefined, string | undefined] {
  const { bucket, key } = locate(target, host, DOMAINS)
  return [bucket, key]
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof S3Error) return error.code
    throw error
  }
  return 'no error'
}

test.each([
  ['/', undefined, undefined],
  ['/?x-id=ListBuckets', undefined, undefined],
  ['/b', 'b', undefined],
  ['/b/', 'b', undefined],
  ['/b?delete', 'b', undefined],
  ['/b/?delete=', 'b', undefined],
  ['/b/k', 'b', 'k'],
  ['/b//k', 'b', '/k'],
  ['/b//', 'b', '/'],
  ['/b/k/', 'b', 'k/'],
  ['/b/..', 'b', '..'],
  ['/b/.', 'b', '.'],
  ['/b/a/../c', 'b', 'a/../c'],
  ['/b/%2e%2e/c', 'b', '../c'],
  ['/b/%2Fetc', 'b', '/etc'],
  ['/b/%252e', 'b', '%2e'],
  ['/b/a+b', 'b', 'a+b'],
  ['/b/a%20b', 'b', 'a b'],
  ['/b/\xc3\xa9', 'b', 'é'],
  ['/b/%C3\xa9', 'b', 'é'],
  ['/b/%F0%9F%98%80', 'b', '😀'],
  ['/b/%EF%BB%BFx', 'b', '\ufeffx'],
  ['/b/k?a=/c?d', 'b', 'k'],
])('%s is bucket %s, key %s', (target, bucket, key) => {
  expect(place(target)).toEqual([bucket, key])
})

test.each([
  '/b/%',
  '/b/%4',
  '/b/%zz',
  '/b/%ff',
  '/b/%c0%af',
  '/b/%ed%a0%80',
  '/b/\xff',
  '/b/é%',
  '*',
  'b/k',
  '/b/\u0100',
])('%s is refused as no URI', (target) => {
  expect(codeOf(() => place(target))).toBe('InvalidURI')
})

test('an empty bucket name is refused before anybody takes it for the root', () => {
  expect(codeOf(() => place('//k'))).toBe('InvalidBucketName')
  expect(codeOf(() => place('//'))).toBe('InvalidBucketName')
})

test('a key of 1024 bytes is the longest', () => {
  expect(place(`/b/${'é'.repeat(512)}`.replaceAll('é', '%C3%A9'))[1]).toHaveLength(512)
  expect(codeOf(() => place(`/b/${'a'.repeat(1025)}`))).toBe('KeyTooLongError')
  expect(codeOf(() => place(`/b/a${'%C3%A9'.repeat(512)}`))).toBe('KeyTooLongError')
})

test.each([
  ['b.s3.example.com', '/k', 'b', 'k'],
  ['B.S3.Example.com:9000', '/k', 'b', 'k'],
  ['b.s3.example.com.', '/k', 'b', 'k'],
  ['a.b.s3.example.com', '/', 'a.b', undefined],
  ['b.example.com', '/x//y', 'b', 'x//y'],
  ['b.s3.example.com', '//k', 'b', '/k'],
  ['s3.example.com:9000', '/b/k', 'b', 'k'],
  ['example.com', '/b/k', 'b', 'k'],
  ['.s3.example.com', '/b/k', 'b', 'k'],
  ['127.0.0.1:9000', '/b/k', 'b', 'k'],
  ['[::1]:9000', '/b/k', 'b', 'k'],
  ['other.org', '/b/k', 'b', 'k'],
])('host %s with %s is bucket %s, key %s', (host, target, bucket, key) => {
  expect(place(target, host)).toEqual([bucket, key])
})

test('an address of digits is never a domain', () => {
  expect(locate('/b/k', '1.0.0.1:80', ['0.0.1']).bucket).toBe('b')
})

test('the absolute form is taken where it names the same host', () => {
  expect(locate('http://h:1/b/k?x', 'h:1', [])).toEqual({
    bucket: 'b',
    key: 'k',
    path: '/b/k',
    query: 'x',
  })
  expect(locate('http://h?x', 'H', [])).toMatchObject({ bucket: undefined, path: '/', query: 'x' })
  expect(codeOf(() => locate('http://other/b/k', 'h', []))).toBe('InvalidURI')
})

test('what is signed stays as it came', () => {
  expect(locate('/b/%2e%2e/c?a=%20&b', undefined, [])).toMatchObject({
    path: '/b/%2e%2e/c',
    query: 'a=%20&b',
  })
})

test('every key comes back from its escapes', () => {
  const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 })
  fc.assert(
    fc.property(key, (text) => {
      expect(place(`/b/${encodeURIComponent(text)}`)[1]).toBe(text)
    }),
  )
})

/** The slow way: bytes one by one, judged by the decoder of the platform. */
function decodeSlowly(encoded: string): string | undefined {
  const bytes: number[] = []
  for (let i = 0; i < encoded.length; i++) {
    const hex = /^%([\da-f]{2})/i.exec(encoded.slice(i))?.[1]
    if (hex === undefined && (encoded[i] === '%' || encoded.charCodeAt(i) > 255)) return undefined
    bytes.push(hex === undefined ? encoded.charCodeAt(i) : Number.parseInt(hex, 16))
    if (hex !== undefined) i += 2
  }
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    return decoder.decode(Uint8Array.from(bytes))
  } catch {
    return undefined
  }
}

test('escapes decode as UTF-8 or not at all', () => {
  const unit = fc.constantFrom(
    '%',
    'C',
    '3',
    'A',
    '9',
    'f',
    '\xc3',
    '\xa9',
    'x',
    '\u0101',
    '%C3',
    '%a9',
  )
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (encoded) => {
      expect(decodeEscapes(encoded)).toBe(decodeSlowly(encoded))
    }),
    { numRuns: 1000 },
  )
})
