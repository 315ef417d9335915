import { expect, test } from 'vitest'
import { renderOutput } from './render.ts'

const XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
const DECLARED = '<?xml version="1.0" encoding="UTF-8"?>\n'
const date = new Date('2026-03-04T05:06:07.891Z')

function pairs(headers: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {}
  for (let i = 0; i < headers.length; i += 2) found[headers[i]!] = headers[i + 1]!
  expect(Object.keys(found)).toHaveLength(headers.length / 2)
  return found
}

/** The document without its declaration. */
function documentOf(operation: string, output: object): string {
  const { headers, body } = renderOutput(operation, output)
  if (typeof body !== 'string') throw new TypeError('no document')
  expect(pairs(headers)['content-type']).toBe('application/xml')
  expect(body.startsWith(DECLARED)).toBe(true)
  return body.slice(DECLARED.length)
}

test('an object goes out with its headers, and its body untouched', () => {
  const body = new Uint8Array(4)
  const rendered = renderOutput('GetObject', {
    Body: body,
    AcceptRanges: 'bytes',
    LastModified: date,
    ContentLength: 4,
    ETag: '"e"',
    ContentType: 'text/plain',
    DeleteMarker: undefined,
    PartsCount: 2,
    BucketKeyEnabled: true,
    ObjectLockRetainUntilDate: date,
    Metadata: { colour: '\xe9', 'n-1': '' },
    ChecksumType: 'FULL_OBJECT',
  })
  expect(rendered.status).toBe(200)
  expect(rendered.body).toBe(body)
  expect(pairs(rendered.headers)).toEqual({
    'accept-ranges': 'bytes',
    'last-modified': 'Wed, 04 Mar 2026 05:06:07 GMT',
    'content-length': '4',
    etag: '"e"',
    'content-type': 'text/plain',
    'x-amz-mp-parts-count': '2',
    'x-amz-server-side-encryption-bucket-key-enabled': 'true',
    'x-amz-object-lock-retain-until-date': '2026-03-04T05:06:07.000Z',
    'x-amz-meta-colour': '\xe9',
    'x-amz-meta-n-1': '',
    'x-amz-checksum-type': 'FULL_OBJECT',
  })
})

test('a part of an object is 206, of GET and of HEAD', () => {
  expect(renderOutput('GetObject', { ContentRange: 'bytes 0-1/4' }).status).toBe(206)
  expect(renderOutput('HeadObject', { ContentRange: 'bytes 0-1/4' }).status).toBe(206)
  expect(renderOutput('HeadObject', {}).status).toBe(200)
})

test('Expires goes out as it was kept; as a date where it was not', () => {
  const both = renderOutput('GetObject', { Expires: date, ExpiresString: 'never' })
  expect(both.headers).toEqual(['expires', 'never'])
  expect(renderOutput('HeadObject', { Expires: date }).headers).toEqual([
    'expires',
    'Wed, 04 Mar 2026 05:06:07 GMT',
  ])
})

test('what has nothing to say has no body and the status of the model', () => {
  expect(renderOutput('DeleteObject', {})).toEqual({ status: 204, headers: [], body: undefined })
  expect(renderOutput('DeleteBucket', {})).toEqual({ status: 204, headers: [], body: undefined })
  expect(renderOutput('PutObject', { ETag: '"e"' })).toEqual({
    status: 200,
    headers: ['etag', '"e"'],
    body: undefined,
  })
  expect(renderOutput('PutObjectAcl', {}).body).toBe(undefined)
})

test('a page of a listing is as S3 writes it', () => {
  const text = documentOf('ListObjectsV2', {
    IsTruncated: false,
    Name: 'b',
    Prefix: '',
    MaxKeys: 1000,
    KeyCount: 2,
    RequestCharged: undefined,
    Contents: [
      {
        Key: 'a&<b>\r\u0001"\ud83d\ude00',
        LastModified: date,
        ETag: '"d41d8cd98f00b204e9800998ecf8427e-2"',
        Size: 0,
        StorageClass: 'STANDARD',
        ChecksumAlgorithm: ['CRC32'],
      },
    ],
    CommonPrefixes: [{ Prefix: 'p/' }],
  })
  expect(text).toBe(
    `<ListBucketResult ${XMLNS}><IsTruncated>false</IsTruncated><Contents><Key>a&amp;&lt;b&gt;&#xd;&#x1;&quot;\ud83d\ude00</Key><LastModified>2026-03-04T05:06:07.000Z</LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e-2&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><Size>0</Size><StorageClass>STANDARD</StorageClass></Contents><Name>b</Name><Prefix></Prefix><MaxKeys>1000</MaxKeys><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes><KeyCount>2</KeyCount></ListBucketResult>`,
  )
})

test('the region of a bucket is the text of the root', () => {
  expect(documentOf('GetBucketLocation', { LocationConstraint: 'eu-west-1' })).toBe(
    `<LocationConstraint ${XMLNS}>eu-west-1</LocationConstraint>`,
  )
  expect(documentOf('GetBucketLocation', {})).toBe(
    `<LocationConstraint ${XMLNS}></LocationConstraint>`,
  )
})

test('lists in a wrapper show it, lists without one vanish when empty', () => {
  expect(documentOf('ListBuckets', { Buckets: [], Owner: { ID: 'i' } })).toBe(
    `<ListAllMyBucketsResult ${XMLNS}><Buckets></Buckets><Owner><ID>i</ID></Owner></ListAllMyBucketsResult>`,
  )
  expect(documentOf('DeleteObjects', { Deleted: [], Errors: [] })).toBe(
    `<DeleteResult ${XMLNS}></DeleteResult>`,
  )
})

test('the kind of a grantee is an attribute of the schema instance', () => {
  const Grants = [{ Grantee: { Type: 'Group', URI: 'u' }, Permission: 'READ' }]
  expect(documentOf('GetBucketAcl', { Grants })).toBe(
    `<AccessControlPolicy ${XMLNS}><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>u</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`,
  )
})

test('a document that is one member of the output has that member as its root, beside headers', () => {
  const rendered = renderOutput('CopyObject', {
    VersionId: 'v',
    CopyObjectResult: { ETag: '"e"', LastModified: date },
  })
  expect(pairs(rendered.headers)).toEqual({
    'x-amz-version-id': 'v',
    'content-type': 'application/xml',
  })
  expect(rendered.body).toBe(
    `${DECLARED}<CopyObjectResult ${XMLNS}><ETag>&quot;e&quot;</ETag><LastModified>2026-03-04T05:06:07.000Z</LastModified></CopyObjectResult>`,
  )
  expect(documentOf('GetObjectRetention', { Retention: { Mode: 'GOVERNANCE' } })).toBe(
    `<Retention ${XMLNS}><Mode>GOVERNANCE</Mode></Retention>`,
  )
})

test('a policy goes out as it is', () => {
  expect(renderOutput('GetBucketPolicy', { Policy: '{"a":"<"}' })).toEqual({
    status: 200,
    headers: ['content-type', 'application/json'],
    body: '{"a":"<"}',
  })
})

test.each([
  ['ListBuckets', 'ListAllMyBucketsResult'],
  ['ListObjects', 'ListBucketResult'],
  ['ListObjectVersions', 'ListVersionsResult'],
  ['ListMultipartUploads', 'ListMultipartUploadsResult'],
  ['ListParts', 'ListPartsResult'],
  ['CreateMultipartUpload', 'InitiateMultipartUploadResult'],
  ['CompleteMultipartUpload', 'CompleteMultipartUploadResult'],
  ['GetBucketVersioning', 'VersioningConfiguration'],
  ['GetBucketTagging', 'Tagging'],
  ['GetBucketCors', 'CORSConfiguration'],
  ['GetBucketLifecycleConfiguration', 'LifecycleConfiguration'],
  ['GetBucketNotificationConfiguration', 'NotificationConfiguration'],
  ['GetBucketWebsite', 'WebsiteConfiguration'],
  ['GetBucketLogging', 'BucketLoggingStatus'],
  ['GetObjectAttributes', 'GetObjectAttributesResponse'],
])('%s answers with %s', (operation, root) => {
  expect(documentOf(operation, {})).toBe(`<${root} ${XMLNS}></${root}>`)
})
