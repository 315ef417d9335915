import { expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { MODEL } from '../api/model.gen.ts'
import { readHead, type RequestHead } from './head.ts'
import { readOracle, type OracleRequest } from './botocore.oracle.ts'
import { route } from './route.ts'

const DOMAINS = ['s3.example.com']
const oracle = readOracle()

function ask(method: string, target: string, headers: Record<string, string> = {}): string {
  return route(head(method, target, headers))
}

function head(method: string, target: string, headers: Record<string, string> = {}): RequestHead {
  return readHead(method, target, Object.entries(headers).flat(), DOMAINS)
}

function answer(method: string, target: string, headers: Record<string, string> = {}): string {
  try {
    return ask(method, target, headers)
  } catch (error) {
    if (error instanceof S3Error) return error.code
    throw error
  }
}

/** ListDirectoryBuckets goes to a host of its own; without the name that the JS SDK sends it is ListBuckets. */
const expected = (operation: string, target: string): string =>
  operation === 'ListDirectoryBuckets' && !target.includes('x-id=') ? 'ListBuckets' : operation

/** Names of the model before it was renamed. */
const RENAMED: Record<string, string> = {
  PutBucketLifecycle: 'PutBucketLifecycleConfiguration',
  GetBucketLifecycle: 'GetBucketLifecycleConfiguration',
  PutBucketNotification: 'PutBucketNotificationConfiguration',
  GetBucketNotification: 'GetBucketNotificationConfiguration',
}

/** Requests that are not taken for the operation that they were made for. */
function misread(change: (request: OracleRequest) => string): string[] {
  const wrong: string[] = []
  for (const request of oracle) {
    const target = change(request)
    const got = answer(request.method, target, { ...request.headers, Host: request.host })
    const wanted = expected(request.operation, target)
    if (got !== (RENAMED[wanted] ?? wanted)) wrong.push(`${request.operation} -> ${got} ${target}`)
  }
  return wrong
}

test('every request of botocore, path style or virtual-host style, is the operation it was made for', () => {
  expect(new Set(oracle.map((request) => request.operation)).size).toBeGreaterThan(105)
  expect(misread((request) => request.target)).toEqual([])
})

test('so it is with a slash after the bucket', () => {
  const wrong = misread(({ target, style }) =>
    style === 'path' ? target.replace(/^(\/my-bucket)(?=\?|$)/, '$1/') : target,
  )
  expect(wrong).toEqual([])
})

test('so it is with the x-id and the bare equals signs of the JS SDK', () => {
  const wrong = misread(({ target, operation }) => {
    const full = target.replace(/([?&][\w-]+)(?=&|$)/g, '$1=')
    return `${full}${full.includes('?') ? '&' : '?'}x-id=${operation}`
  })
  expect(wrong).toEqual([])
})

test('all operations of the model are reached', () => {
  const reached = new Set(
    oracle.map((request) =>
      answer(request.method, request.target, { ...request.headers, Host: request.host }),
    ),
  )
  reached.add(ask('GET', '/?x-id=ListDirectoryBuckets'))
  expect(Object.keys(MODEL.operations).filter((name) => !reached.has(name))).toEqual([
    // Unknown to this botocore.
    'DeleteObjectAnnotation',
    'GetObjectAnnotation',
    'ListObjectAnnotations',
    'PutObjectAnnotation',
    'UpdateBucketMetadataAnnotationTableConfiguration',
  ])
  expect(ask('PUT', '/b/k?annotation&annotationName=a')).toBe('PutObjectAnnotation')
  expect(ask('GET', '/b/k?annotation&annotationName=a')).toBe('GetObjectAnnotation')
  expect(ask('GET', '/b/k?annotation')).toBe('ListObjectAnnotations')
  expect(ask('DELETE', '/b/k?annotation')).toBe('DeleteObjectAnnotation')
  expect(ask('PUT', '/b?metadataAnnotationTable')).toBe(
    'UpdateBucketMetadataAnnotationTableConfiguration',
  )
})

/** Operations that read or write the object or the bucket as a whole. */
const PLAIN = new Set([
  'GetObject',
  'HeadObject',
  'PutObject',
  'CopyObject',
  'DeleteObject',
  'CreateBucket',
  'DeleteBucket',
  'HeadBucket',
  'ListObjects',
  'ListObjectsV2',
  'ListBuckets',
])

test('no sub-resource falls through to the object or the bucket', () => {
  const names = new Set(MODEL.subresources)
  for (const { query } of Object.values(MODEL.operations)) {
    const first = query.split('&')[0] ?? ''
    if (first !== '' && !first.includes('=')) names.add(first)
  }
  expect(names.size).toBeGreaterThan(50)
  for (const name of names) {
    for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE']) {
      for (const place of ['/', '/b', '/b/', '/b/k']) {
        for (const query of [
          name,
          `${name}=`,
          `${name}=x&x-id=PutObject`,
          `versionId=v&${encodeURIComponent(name).replace('a', '%61')}`,
        ]) {
          expect(
            PLAIN.has(answer(method, `${place}?${query}`)),
            `${method} ${place}?${query}`,
          ).toBe(false)
        }
      }
    }
  }
})

test.each([
  ['GET', '/b/k?policy', 'NotImplemented'],
  ['PUT', '/b/k?symlink', 'NotImplemented'],
  ['DELETE', '/b?versioning', 'MethodNotAllowed'],
  ['PUT', '/b/k?torrent', 'MethodNotAllowed'],
  ['GET', '/b?acl&policy', 'InvalidArgument'],
  ['POST', '/b/k', 'MethodNotAllowed'],
  ['POST', '/', 'MethodNotAllowed'],
  ['PATCH', '/b/k', 'MethodNotAllowed'],
  ['get', '/b/k', 'MethodNotAllowed'],
  ['POST', '/b', 'PreconditionFailed'],
  ['DELETE', '/b?versionId=v', 'InvalidRequest'],
  ['DELETE', '/b/?uploadId=v', 'InvalidRequest'],
  ['PUT', '/b?partNumber=1&uploadId=v', 'InvalidRequest'],
  ['PUT', '/b/k?uploadId=u', 'UploadPart'],
  ['PUT', '/b/k?partNumber=1', 'UploadPart'],
  ['GET', '/b/k?partNumber=1', 'GetObject'],
  ['GET', '/b/k?versionId=v&response-expires=x', 'GetObject'],
  ['GET', '/b/k?X-Amz-Signature=f&unknown=1', 'GetObject'],
  ['GET', '/b?list-type=1', 'ListObjects'],
  // MinIO's own extension, which its client asks of any store.
  ['GET', '/b?list-type=2&metadata=true', 'ListObjectsV2'],
  ['GET', '/b/k?attributes', 'GetObjectAttributes'],
  ['POST', '/WriteGetObjectResponse', 'WriteGetObjectResponse'],
  ['PUT', '/b/k?X-Amz-Signature=f&x-amz-copy-source=b%2Fx', 'CopyObject'],
  [
    'PUT',
    '/b/k?X-Amz-Signature=f&X-Amz-Copy-Source=b%2Fx&uploadId=u&partNumber=1',
    'UploadPartCopy',
  ],
])('%s %s is %s', (method, target, wanted) => {
  expect(answer(method, target)).toBe(wanted)
})

test('a form to a bucket is an upload, and to nothing else', () => {
  const form = { 'Content-Type': 'Multipart/Form-Data; boundary=x' }
  expect(answer('POST', '/b', form)).toBe('PostObject')
  expect(answer('POST', '/b/', form)).toBe('PostObject')
  expect(answer('POST', '/b/k', form)).toBe('MethodNotAllowed')
  expect(answer('POST', '/b?acl', form)).toBe('MethodNotAllowed')
  expect(answer('PUT', '/b', form)).toBe('CreateBucket')
})

test('what is allowed instead is said', () => {
  expect(() => ask('PATCH', '/b/k')).toThrow(
    expect.objectContaining({ headers: { allow: 'GET, HEAD, PUT, DELETE' } }) as Error,
  )
})
