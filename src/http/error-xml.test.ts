import { expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { BlobMissing, StoreFull, StoreUnavailable } from '../lib/store-error.ts'
import { asS3Error, renderError } from './error-xml.ts'

const ids = { requestId: 'R', hostId: 'H+/=' }

test('an error is a document without a namespace, its fields between message and ids', () => {
  const error = new S3Error('NoSuchKey', {
    fields: { Key: 'a&b\u0001' },
    headers: { 'x-amz-delete-marker': 'true' },
  })
  expect(renderError(error, 'GET', ids)).toEqual({
    status: 404,
    headers: ['x-amz-delete-marker', 'true', 'content-type', 'application/xml'],
    body: '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&amp;b&#x1;</Key><RequestId>R</RequestId><HostId>H+/=</HostId></Error>',
  })
})

test('the path is named where it is given', () => {
  expect(renderError(new S3Error('AccessDenied'), 'PUT', ids, '/b/<k>').body).toContain(
    '</Message><Resource>/b/&lt;k&gt;</Resource><RequestId>',
  )
})

test('HEAD and 304 have no body, but their headers', () => {
  expect(renderError(new S3Error('NoSuchKey'), 'HEAD', ids)).toMatchObject({
    status: 404,
    body: undefined,
  })
  const same = new S3Error('NotModified', { headers: { etag: '"e"' } })
  expect(renderError(same, 'GET', ids)).toEqual({
    status: 304,
    headers: ['etag', '"e"'],
    body: undefined,
  })
})

test.each([
  [new StoreUnavailable('x'), 'SlowDown', 503],
  [new StoreFull('x'), 'InsufficientStorage', 507],
  [new BlobMissing('x'), 'InternalError', 500],
  [new TypeError('secret'), 'InternalError', 500],
  ['thrown text', 'InternalError', 500],
  [undefined, 'InternalError', 500],
])('%s is told as %s', (error, code, status) => {
  const rendered = renderError(error, 'GET', ids)
  expect(rendered.status).toBe(status)
  expect(rendered.body).toContain(`<Code>${code}</Code>`)
  expect(rendered.body).not.toContain('secret')
  expect(asS3Error(error).cause).toBe(error)
})
