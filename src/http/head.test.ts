import { expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { readHead, type RequestHead } from './head.ts'
import { parseInput } from './parse.ts'

function head(target: string, ...rawHeaders: string[]): RequestHead {
  return readHead('GET', target, rawHeaders, ['s3.example.com'])
}

test('headers are found in any case, the first of a name counts, all stay as they came', () => {
  const request = head('/b', 'X-Amz-Date', 'one', 'x-amz-date', 'two', 'Empty', '')
  expect(request.header('x-amz-date')).toBe('one')
  expect(request.header('empty')).toBe('')
  expect(request.header('one')).toBe(undefined)
  expect(request.names).toEqual(['x-amz-date', 'x-amz-date', 'empty'])
  expect(request.rawHeaders).toEqual(['X-Amz-Date', 'one', 'x-amz-date', 'two', 'Empty', ''])
})

test('parameters are decoded once, the first of a name counts, a plus is a space', () => {
  const request = head('/b?a=1&a=2&b&c=&d%3D=%2526+%2B&&e=x=y&__proto__=p')
  expect(Object.fromEntries([...request.params].filter(([name]) => name !== '__proto__'))).toEqual({
    a: '1',
    b: '',
    c: '',
    'd=': '%26 +',
    e: 'x=y',
  })
  expect(request.param('__proto__')).toBe('p')
  expect(request.param('A')).toBe(undefined)
  expect(head('/b').param('a')).toBe(undefined)
})

test('a parameter that is no UTF-8 is refused when parameters are asked for', () => {
  const request = head('/b?a=%ff')
  expect(request.query).toBe('a=%ff')
  expect(() => request.param('b')).toThrow(S3Error)
})

test('the bucket of the Host header is the bucket', () => {
  expect(head('/k', 'Host', 'b.s3.example.com')).toMatchObject({ bucket: 'b', key: 'k' })
})

test('two Host headers are one too many', () => {
  expect(() => head('/b', 'Host', 's3.example.com', 'HOST', 'b.s3.example.com')).toThrow(
    'more than one Host header',
  )
})

test('headers that a presigned URL carries in its query stand for headers, in any case', () => {
  const request = head(
    '/b/k?X-Amz-Signature=f&x-amz-acl=private&X-Amz-Meta-A=%C3%A9&x-amz-acl=public-read&prefix=p',
  )
  expect(request.field('x-amz-acl')).toBe('private')
  expect(request.field('x-amz-meta-a')).toBe('\xc3\xa9')
  expect(request.field('prefix')).toBe(undefined)
  expect(request.header('x-amz-acl')).toBe(undefined)
  expect(
    head('/b/k?X-Amz-Signature=f&x-amz-acl=private', 'x-amz-acl', 'public-read').field('x-amz-acl'),
  ).toBe('public-read')
})

test('without a signature in the query, its parameters stand for nothing', () => {
  expect(head('/b/k?x-amz-acl=public-read').field('x-amz-acl')).toBe(undefined)
})

test('a checksum in the query is none of the body: SDKs sign the one of no body there', () => {
  const { hoisted } = head(
    '/b/k?X-Amz-Signature=f&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&x-amz-checksum-mode=ENABLED',
  )
  expect([...hoisted.keys()]).toEqual(['x-amz-signature', 'x-amz-checksum-mode'])
})

test.each([
  'x-amz-meta-a=x%0d%0aSet-Cookie:%20y',
  'x-amz-meta-a=%00',
  'x-amz-meta-a%0d%0a=x',
  'x-amz-meta-a%20b=x',
  'x-amz-meta-%C3%A9=x',
])('%s in a presigned URL is refused, for no header could hold it', (query) => {
  expect(() => head(`/b/k?X-Amz-Signature=f&${query}`).field('x')).toThrow(S3Error)
})

test('what counts of a header is what the parser of inputs takes: an empty one says nothing', () => {
  const raw = ['Host', 'h', 'x-amz-acl', '', 'X-Amz-Acl', 'public-read', 'x-amz-tagging', '']
  const head = readHead('PUT', '/b/k', raw, [])
  expect(head.effective('x-amz-acl')).toBe('public-read')
  expect(parseInput('PutObject', head)).toMatchObject({ ACL: 'public-read' })
  expect(head.effective('x-amz-tagging')).toBeUndefined()
  expect(head.effective('x-amz-meta-a')).toBeUndefined()
})
