import { expect, test } from 'vitest'
import { checkBucketName, isBucketName } from './bucket-name.ts'

const ALLOWED = ['abc', 'a-b', 'a.b.c', '123', 'x'.repeat(63), '1.2.3.4.5', 'docs-site', 'a-1']

const REFUSED = `
  |ab|${'x'.repeat(64)}|Abc|a_b|a b|a/b|.ab|ab.|-ab|ab-|a..b|a.-b|a-.b|äbc
  |192.168.5.4|xn--abc|sthree-abc|amzn-s3-demo-abc|~ab|\0ab
  |abc-s3alias|abc--ol-s3|abc.mrap|abc--x-s3|abc--table-s3`

test('names that S3 allows are allowed', () => {
  expect(ALLOWED.filter((name) => !isBucketName(name))).toEqual([])
})

test('names that S3 refuses are refused', () => {
  const refused = ['', 'ab\n', ...REFUSED.split('|').map((name) => name.trim())]
  expect(refused.filter(isBucketName)).toEqual([])
})

test('a refusal names the bucket', () => {
  expect(() => checkBucketName('No')).toThrow(
    expect.objectContaining({ code: 'InvalidBucketName', fields: { BucketName: 'No' } }),
  )
})
