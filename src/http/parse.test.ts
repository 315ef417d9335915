import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { MODEL } from '../api/model.gen.ts'
import { readOracle } from './botocore.oracle.ts'
import { readHead, type RequestHead } from './head.ts'
import { bodyKind, parseInput } from './parse.ts'
import type { Payload } from '../api/payload.ts'

function head(
  method: string,
  target: string,
  headers: readonly (readonly [string, string])[] = [],
): RequestHead {
  return readHead(method, target, headers.flat(), ['s3.example.com'])
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

function put(headers: Record<string, string>): Record<string, unknown> {
  return { ...parseInput('PutObject', head('PUT', '/b/k', Object.entries(headers))) }
}

const xml = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Added by botocore, or bound beyond the model. */
const EXTRA = [
  'ChecksumAlgorithm',
  'ContentLength',
  'ContentMD5',
  'ExpiresString',
  'ResponseExpiresString',
  'EncodingType',
  'ChecksumCRC32',
  'ChecksumMode',
  'ClientToken',
]

test('what botocore was asked for is what is read from its request, in every operation', () => {
  const operations = readOracle().filter(({ operation }) => operation in MODEL.operations)
  expect(operations.length).toBeGreaterThan(300)
  for (const { operation, method, target, host, headers, body, params } of operations) {
    const kind = bodyKind(operation)
    const payload = { size: body.length } as Payload
    const request = head(method, target, [...Object.entries(headers), ['Host', host]])
    let input: Record<string, unknown>
    try {
      input = parseInput(
        operation,
        request,
        kind !== 'stream' ? xml(body) : body === '' ? undefined : payload,
      )
    } catch (error) {
      // Required by the model, yet botocore may leave it empty.
      if (error instanceof S3Error && error.code === 'MissingRequestBodyError' && body === '')
        continue
      throw new Error(`${operation} ${target} ${body}`, { cause: error })
    }
    const wanted: Record<string, unknown> = { ...params }
    for (const name of EXTRA) if (!(name in wanted)) delete input[name]
    for (const [name, value] of Object.entries(wanted)) {
      if (value instanceof Uint8Array) wanted[name] = payload
      // A string to the SDK whose types we use.
      if (name === 'PartNumberMarker') wanted[name] = String(value)
      // A host label, and what the model reads from another host.
      if (name === 'RequestRoute') delete wanted[name]
    }
    expect(input, `${operation} ${target}`).toEqual(wanted)
  }
})

test.each([
  ['StorageClass', { 'x-amz-storage-class': 'STANDARD_IA' }, 'STANDARD_IA'],
  ['ACL', { 'X-AMZ-ACL': 'public-read' }, 'public-read'],
  ['ContentType', { 'content-type': '' }, undefined],
  ['BucketKeyEnabled', { 'x-amz-server-side-encryption-bucket-key-enabled': 'True' }, true],
  ['ChecksumAlgorithm', { 'x-amz-sdk-checksum-algorithm': 'crc32c' }, 'CRC32C'],
  ['ChecksumXXHASH128', { 'x-amz-checksum-xxhash128': 'AAAA' }, 'AAAA'],
  ['ContentLength', { 'content-length': '5368709120' }, 5_368_709_120],
  ['Expires', { expires: 'never' }, undefined],
  ['ExpiresString', { expires: 'never' }, 'never'],
  [
    'Metadata',
    { 'X-Amz-Meta-Colour': '\xe9', 'x-amz-meta-empty': '' },
    { colour: '\xe9', empty: '' },
  ],
  ['IfNoneMatch', { 'If-None-Match': '*' }, '*'],
])('%s of %j is %j', (member, headers, wanted) => {
  expect(put(headers as Record<string, string>)[member]).toEqual(wanted)
})

test.each([
  [{ 'x-amz-storage-class': 'COLD' }, 'InvalidStorageClass'],
  [{ 'x-amz-acl': 'everybody' }, 'InvalidArgument'],
  [{ 'x-amz-sdk-checksum-algorithm': 'CRC16' }, 'InvalidRequest'],
  [{ 'x-amz-server-side-encryption': 'rot13' }, 'InvalidArgument'],
  [{ 'x-amz-object-lock-mode': 'maybe' }, 'InvalidArgument'],
  [{ 'x-amz-object-lock-legal-hold': 'on' }, 'InvalidArgument'],
  [{ 'x-amz-object-lock-retain-until-date': 'soon' }, 'InvalidArgument'],
  [{ 'x-amz-write-offset-bytes': '1.5' }, 'InvalidArgument'],
  [{ 'x-amz-write-offset-bytes': '-1' }, 'InvalidArgument'],
  [{ 'content-length': '99999999999999999999' }, 'InvalidArgument'],
  [{ 'x-amz-server-side-encryption-bucket-key-enabled': 'yes' }, 'InvalidArgument'],
])('%j is refused with %s', (headers, code) => {
  expect(codeOf(() => put(headers as Record<string, string>))).toBe(code)
})

test('a refused argument is named', () => {
  expect(() => put({ 'x-amz-acl': 'x' })).toThrow(
    expect.objectContaining({ fields: { ArgumentName: 'x-amz-acl', ArgumentValue: 'x' } }) as Error,
  )
  expect(() =>
    parseInput('CreateBucket', head('PUT', '/b', [['x-amz-object-ownership', '$&']])),
  ).toThrow('Invalid x-amz-object-ownership header: $&')
})

test('user metadata of one name is joined, and no name reaches the prototype', () => {
  const metadata = parseInput(
    'PutObject',
    head('PUT', '/b/k', [
      ['x-amz-meta-a', '1'],
      ['X-Amz-Meta-A', '2'],
      ['x-amz-meta-__proto__', 'p'],
      ['x-amz-meta-', 'nothing'],
      ['x-amz-meta-constructor', 'c'],
    ]),
  ).Metadata
  expect(Object.entries(metadata ?? {})).toEqual([
    ['a', '1,2'],
    ['__proto__', 'p'],
    ['constructor', 'c'],
  ])
})

test('of a header that comes twice the first counts, but a list takes both', () => {
  expect(put({ 'Cache-Control': 'a', 'cache-control': 'b' })['CacheControl']).toBe('a')
  const lists = head('GET', '/b/k?attributes', [
    ['x-amz-object-attributes', 'ETag, Checksum'],
    ['X-Amz-Object-Attributes', 'ObjectSize'],
  ])
  expect(parseInput('GetObjectAttributes', lists).ObjectAttributes).toEqual([
    'ETag',
    'Checksum',
    'ObjectSize',
  ])
})

function list(query: string): object {
  return parseInput('ListObjectsV2', head('GET', `/b?list-type=2&${query}`))
}

test.each([
  ['prefix=&delimiter=%2F', { Prefix: '', Delimiter: '/' }],
  ['prefix=a+b%2B', { Prefix: 'a b+' }],
  ['prefix=a&prefix=b', { Prefix: 'a' }],
  ['prefix', { Prefix: '' }],
  ['max-keys=0', { MaxKeys: 0 }],
  ['max-keys=2147483647', { MaxKeys: 2_147_483_647 }],
  ['max-keys=', {}],
  ['encoding-type=', {}],
  ['encoding-type=url&fetch-owner=true', { EncodingType: 'url', FetchOwner: true }],
  ['start-after=%E2%82%AC', { StartAfter: '€' }],
])('a listing with %s is %j', (query, wanted) => {
  expect(list(query)).toEqual({ Bucket: 'b', ...wanted })
})

test.each([
  ['max-keys=-1', 'Argument maxKeys must be an integer between 0 and 2147483647'],
  ['max-keys=1.5', 'Provided max-keys not an integer or within integer range'],
  ['max-keys=ten', 'Provided max-keys not an integer or within integer range'],
  ['max-keys=0x10', 'Provided max-keys not an integer or within integer range'],
  ['max-keys=2147483648', 'Provided max-keys not an integer or within integer range'],
  ['encoding-type=base64', 'Invalid Encoding Method specified in Request'],
])('a listing with %s is refused: %s', (query, message) => {
  expect(() => list(query)).toThrow(message)
})

const partNumber = (number: string): unknown =>
  parseInput('UploadPart', head('PUT', `/b/k?partNumber=${number}&uploadId=u`)).PartNumber

test('the number of a part is an integer between 1 and 10000', () => {
  expect(partNumber('10000')).toBe(10_000)
  for (const number of ['0', '10001', '-1', 'x', '1e3'])
    expect(() => partNumber(number)).toThrow(
      'Part number must be an integer between 1 and 10000, inclusive',
    )
})

test('what a presigned URL carries in its query is read as headers, the checksum of no body excepted', () => {
  const query =
    'X-Amz-Signature=f&x-amz-acl=public-read&x-amz-meta-a=b%20c&x-amz-storage-class=STANDARD_IA&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject'
  expect(parseInput('PutObject', head('PUT', `/b/k?${query}`, [['x-amz-acl', 'private']]))).toEqual(
    {
      Bucket: 'b',
      Key: 'k',
      ACL: 'private',
      Metadata: { a: 'b c' },
      StorageClass: 'STANDARD_IA',
    },
  )
})

test('what the operation cannot do without is asked for', () => {
  expect(() => parseInput('UploadPart', head('PUT', '/b/k?uploadId=u'))).toThrow(
    'Missing required parameter: partNumber',
  )
  expect(() => parseInput('GetObjectAttributes', head('GET', '/b/k?attributes'))).toThrow(
    'Missing required header: x-amz-object-attributes',
  )
  expect(codeOf(() => parseInput('DeleteObjects', head('POST', '/b?delete'), xml('')))).toBe(
    'MissingRequestBodyError',
  )
})

const override = (value: string): unknown =>
  parseInput('GetObject', head('GET', `/b/k?response-content-type=${value}`)).ResponseContentType

test('overrides of headers hold what a header can hold', () => {
  expect(override('text%2Fplain%3B%20x=%C3%A9')).toBe('text/plain; x=é')
  for (const value of ['a%0d%0aSet-Cookie:%20x', 'a%00', '%E2%82%AC', '%7f'])
    expect(codeOf(() => override(value))).toBe('InvalidArgument')
})

test('an unreadable date of a condition of HTTP is as if it were not there; of a condition of S3 it is an error', () => {
  const get = parseInput('GetObject', head('GET', '/b/k', [['If-Modified-Since', 'yesterday']]))
  expect(get.IfModifiedSince).toBe(undefined)
  const header = [['x-amz-if-match-last-modified-time', 'yesterday']] as const
  expect(codeOf(() => parseInput('DeleteObject', head('DELETE', '/b/k', header)))).toBe(
    'InvalidArgument',
  )
})

test('an empty version id is refused', () => {
  expect(() => parseInput('GetObject', head('GET', '/b/k?versionId='))).toThrow(
    'Version id cannot be the empty string',
  )
})

test('a document that cannot be taken has the code of its operation', () => {
  const acl = head('PUT', '/b?acl')
  expect(codeOf(() => parseInput('PutBucketAcl', acl, xml('<a/>')))).toBe('MalformedACLError')
  expect(parseInput('PutBucketAcl', acl, xml('')).AccessControlPolicy).toBe(undefined)
  expect(
    codeOf(() => parseInput('DeleteObjects', head('POST', '/b?delete'), xml('<Delete>'))),
  ).toBe('MalformedXML')
})

const create = (text: string): unknown =>
  parseInput('CreateBucket', head('PUT', '/b'), xml(text)).CreateBucketConfiguration

test('a bucket is created with any of the documents that clients send, or none', () => {
  expect(create('')).toBe(undefined)
  expect(create('<CreateBucketConfiguration/>')).toEqual({})
  const wanted = { LocationConstraint: 'eu-west-1' }
  const inside = '<LocationConstraint>eu-west-1</LocationConstraint>'
  expect(
    create(`<CreateBucketConfiguration xmlns="x">${inside}</CreateBucketConfiguration>`),
  ).toEqual(wanted)
  expect(create(`<CreateBucketConstraint>${inside}</CreateBucketConstraint>`)).toEqual(wanted)
})

const ofKind = (kind: string): string[] =>
  Object.keys(MODEL.operations).filter((name) => bodyKind(name) === kind)

test('each operation says what it does with a body', () => {
  expect(ofKind('stream')).toEqual([
    'PutObject',
    'PutObjectAnnotation',
    'UploadPart',
    'WriteGetObjectResponse',
  ])
  expect(ofKind('text')).toEqual(['PutBucketPolicy'])
  expect(ofKind('xml')).toContain('CompleteMultipartUpload')
  expect(bodyKind('GetObject')).toBe('none')
})

test('whatever comes, only errors of S3 are thrown', () => {
  const codes = new Set<string>()
  const names = Object.keys(MODEL.operations)
  const wires = [
    'max-keys',
    'partNumber',
    'uploadId',
    'versionId',
    'response-expires',
    'encoding-type',
    'fetch-owner',
    'id',
  ]
  const headers = [
    'x-amz-acl',
    'x-amz-meta-a',
    'expires',
    'x-amz-object-attributes',
    'content-length',
    'x-amz-mfa',
    'range',
    'x-amz-bypass-governance-retention',
  ]
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom('1', '-1', 'true', '%', '%ff', '', '9'.repeat(30)),
  )
  const latin = text.map((each) =>
    Buffer.from(each)
      .toString('latin1')
      .replace(/[\r\n\0]/g, ''),
  )
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc
      .array(
        fc.constantFrom(
          '<',
          '>',
          '/',
          'Delete',
          '<Object>',
          '<Key>',
          '</Key>',
          '</Object>',
          '</Delete>',
          '<Delete>',
          '&lt;',
          '&x;',
          ' ',
          'a="b"',
          '<![CDATA[',
          ']]>',
          '<!DOCTYPE a>',
          '<Tagging>',
          '<?xml version="1.0"?>',
        ),
      )
      .map((all) => xml(all.join(''))),
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.dictionary(fc.constantFrom(...wires), text),
      fc.dictionary(fc.constantFrom(...headers), latin),
      body,
      (name, query, fields, bytes) => {
        const search = Object.entries(query)
          .map((pair) => pair.join('='))
          .join('&')
          .replace(/[^\x21-\x7e]/g, (c) => encodeURIComponent(c.toWellFormed()))
        const isStream = bodyKind(name) === 'stream'
        // Anything but an S3Error comes through.
        const code = codeOf(() => {
          const request = head('PUT', `/b/k?${search}`, Object.entries(fields))
          return parseInput(name, request, isStream ? undefined : bytes)
        })
        codes.add(code)
      },
    ),
    { numRuns: 1000 },
  )
  expect([...codes]).toEqual(
    expect.arrayContaining(['no error', 'InvalidURI', 'InvalidArgument', 'MalformedXML']),
  )
})
