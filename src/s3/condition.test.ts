import { expect, test } from 'vitest'
import { matches, type ReadConditions } from '../api/condition.ts'
import { S3Error } from '../api/error.ts'
import { checkCopySource, checkDelete, checkRead, checkWrite } from './condition.ts'
import type { VersionRow } from './rows.ts'

const T = Date.UTC(2026, 4, 1, 12, 0, 0) + 300
const version: VersionRow = {
  q: 'Q',
  t: T,
  s: 5,
  e: 'abc',
  o: ['id', 'name'],
  h: { CacheControl: 'max-age=1', ExpiresString: 'soon' },
}
const earlier = new Date(T - 5000)
const same = new Date(T - 300)
const later = new Date(T + 5000)

function outcome(check: () => void): string {
  try {
    check()
    return 'ok'
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    return error.fields['Condition'] === undefined
      ? error.code
      : `${error.code} ${error.fields['Condition']}`
  }
}

test('an ETag matches with and without quotes, weak or in a list, and by a star', () => {
  for (const list of ['abc', '"abc"', '*', '"x", "abc"', 'x,abc', 'W/"abc"', ' "abc" ']) {
    expect([list, matches(list, 'abc')]).toEqual([list, true])
  }
  for (const list of ['', 'ab', '"ab"', 'abcd', '"x","y"', 'ABC']) {
    expect([list, matches(list, 'abc')]).toEqual([list, false])
  }
})

test.each<[string, ReadConditions, string]>([
  ['nothing asked', {}, 'ok'],
  ['If-Match met', { IfMatch: '"abc"' }, 'ok'],
  ['If-Match not met', { IfMatch: '"x"' }, 'PreconditionFailed If-Match'],
  ['If-None-Match met', { IfNoneMatch: '"x"' }, 'ok'],
  ['If-None-Match not met', { IfNoneMatch: '"abc"' }, 'NotModified'],
  ['modified since', { IfModifiedSince: earlier }, 'ok'],
  ['not modified since that second', { IfModifiedSince: same }, 'NotModified'],
  ['not modified since', { IfModifiedSince: later }, 'NotModified'],
  ['unmodified since', { IfUnmodifiedSince: later }, 'ok'],
  ['unmodified since that second', { IfUnmodifiedSince: same }, 'ok'],
  ['modified after', { IfUnmodifiedSince: earlier }, 'PreconditionFailed If-Unmodified-Since'],
  ['If-Match outweighs If-Unmodified-Since', { IfMatch: 'abc', IfUnmodifiedSince: earlier }, 'ok'],
  ['If-None-Match outweighs If-Modified-Since', { IfNoneMatch: 'x', IfModifiedSince: later }, 'ok'],
  [
    'If-None-Match fails whatever the time',
    { IfNoneMatch: 'abc', IfModifiedSince: earlier },
    'NotModified',
  ],
])('a read with %s', (_name, conditions, expected) => {
  expect(outcome(() => checkRead(conditions, version))).toBe(expected)
})

test('a 304 carries what a cache needs', () => {
  expect(() => checkRead({ IfNoneMatch: '*' }, version)).toThrow(
    expect.objectContaining({
      headers: {
        etag: '"abc"',
        'last-modified': 'Fri, 01 May 2026 12:00:00 GMT',
        'cache-control': 'max-age=1',
        expires: 'soon',
      },
    }),
  )
})

test('the source of a copy fails with 412 where a read would say 304', () => {
  expect(outcome(() => checkCopySource({ CopySourceIfNoneMatch: 'abc' }, version))).toBe(
    'PreconditionFailed x-amz-copy-source-If-None-Match',
  )
  expect(outcome(() => checkCopySource({ CopySourceIfMatch: 'abc' }, version))).toBe('ok')
})

test('a write with If-None-Match: * wants no object; a delete marker is none', () => {
  const marker: VersionRow = { ...version, d: 1, e: '' }
  expect(outcome(() => checkWrite({ IfNoneMatch: '*' }, 'k', undefined))).toBe('ok')
  expect(outcome(() => checkWrite({ IfNoneMatch: '*' }, 'k', marker))).toBe('ok')
  const taken = outcome(() => checkWrite({ IfNoneMatch: '*' }, 'k', version))
  expect(taken).toBe('PreconditionFailed If-None-Match')
})

test('a write with If-Match wants that object, and none at all is NoSuchKey', () => {
  const marker: VersionRow = { ...version, d: 1, e: '' }
  expect(outcome(() => checkWrite({ IfMatch: 'abc' }, 'k', version))).toBe('ok')
  expect(outcome(() => checkWrite({ IfMatch: 'x' }, 'k', version))).toBe(
    'PreconditionFailed If-Match',
  )
  expect(outcome(() => checkWrite({ IfMatch: '*' }, 'k', undefined))).toBe('NoSuchKey')
  expect(outcome(() => checkWrite({ IfMatch: 'abc' }, 'k', marker))).toBe('NoSuchKey')
})

test('a delete is refused by ETag, time or size, and never of what is not there', () => {
  expect(outcome(() => checkDelete({ IfMatch: 'x' }, undefined))).toBe('ok')
  expect(outcome(() => checkDelete({ IfMatch: '"abc"', IfMatchSize: 5 }, version))).toBe('ok')
  expect(outcome(() => checkDelete({ IfMatch: 'x' }, version))).toBe('PreconditionFailed If-Match')
  expect(outcome(() => checkDelete({ IfMatchLastModifiedTime: same }, version))).toBe('ok')
  expect(outcome(() => checkDelete({ IfMatchLastModifiedTime: later }, version))).toBe(
    'PreconditionFailed x-amz-if-match-last-modified-time',
  )
  expect(outcome(() => checkDelete({ IfMatchSize: 0 }, version))).toBe(
    'PreconditionFailed x-amz-if-match-size',
  )
})
