/**
 * The part of S3 that the engine uses, in this process and strict: bodies are checked against their
 * length and checksum, parts against their size and order, and what is not known here is refused.
 * Signatures are not verified (a real gateway does that in `e2e/engines`), access keys are.
 */
import type { IncomingMessage } from 'node:http'
import { digestOf } from '../src/lib/digest.ts'
import { type FakeAnswer, FakeService, rangeOf } from './remote.fake.ts'

interface FakeObject {
  readonly bytes: Buffer
  /** Of the bytes, where they are not kept. */
  readonly size?: number
  readonly etag: string
}

interface FakePart extends FakeObject {
  readonly size: number
  readonly crc32: string
}

interface FakeUpload {
  readonly key: string
  initiated: Date
  readonly parts: Map<number, FakePart>
}

const PART_BYTES_MIN = 5 * 1024 ** 2
const QUERIES: ReadonlySet<string> = new Set(
  'x-id list-type prefix start-after delimiter continuation-token max-keys delete uploads uploadId partNumber key-marker upload-id-marker'.split(
    ' ',
  ),
)
export const FAKE_KEY = 'AKIAFAKE'

export class FakeS3 extends FakeService {
  readonly bucket = 'blobs'
  readonly objects: Map<string, FakeObject> = new Map()
  readonly uploads: Map<string, FakeUpload> = new Map()
  /** Keys of one page of a list. */
  pageKeys = 1000
  knowsDeleteMany = true
  /** Answers of its own to keys that are to be deleted. */
  readonly undeletable: Set<string> = new Set()
  #count = 0

  protected override answer(request: IncomingMessage, body: Buffer): FakeAnswer {
    const { pathname, searchParams: query } = new URL(request.url ?? '', this.endpoint)
    const [, bucket = '', ...rest] = pathname.split('/')
    const key = decodeURIComponent(rest.join('/'))
    this.calls.push(
      `${request.method} ${[...query.keys()].filter((name) => name !== 'x-id').join(' ')}`.trim(),
    )
    const unknown = [...query.keys()].find((name) => !QUERIES.has(name))
    if (unknown !== undefined) return refused(501, 'NotImplemented', unknown)
    if (!request.headers.authorization?.includes(`Credential=${FAKE_KEY}/`))
      return refused(403, 'InvalidAccessKeyId')
    if (bucket !== this.bucket) return refused(404, 'NoSuchBucket')
    const bad = badBody(request, body)
    if (bad !== undefined) return refused(400, bad)
    const verb = `${request.method}${key === '' ? '' : ' key'}`
    if (verb === 'GET') return query.has('uploads') ? this.#listUploads(query) : this.#list(query)
    if (verb === 'POST' && query.has('delete')) return this.#deleteMany(body)
    if (verb === 'POST key')
      return query.has('uploads') ? this.#create(key) : this.#complete(key, query, body)
    if (verb === 'PUT key') return this.#put(key, query, body)
    if (verb === 'DELETE key') return this.#delete(key, query)
    if (verb === 'GET key' || verb === 'HEAD key') return this.#get(key, request)
    return refused(405, 'MethodNotAllowed')
  }

  #put(key: string, query: URLSearchParams, bytes: Buffer): FakeAnswer {
    const stored = {
      bytes: this.isSink ? Buffer.alloc(0) : bytes,
      size: bytes.length,
      etag: `"${digestOf('md5', bytes)}"`,
      crc32: digestOf('CRC32', bytes),
    }
    const id = query.get('uploadId')
    if (id === null) this.objects.set(key, stored)
    else {
      const upload = this.uploads.get(id)
      if (upload?.key !== key) return refused(404, 'NoSuchUpload')
      upload.parts.set(Number(query.get('partNumber')), stored)
    }
    return { status: 200, headers: { etag: stored.etag } }
  }

  #get(key: string, { headers }: IncomingMessage): FakeAnswer {
    const object = this.objects.get(key)
    if (object === undefined) return refused(404, 'NoSuchKey')
    const { bytes, size = bytes.length, etag } = object
    const match = headers['if-match']
    if (match !== undefined && match !== etag) return refused(412, 'PreconditionFailed')
    const range = rangeOf(headers.range, size)
    if (range === undefined)
      return { status: 200, body: this.isSink ? { zeros: size } : bytes, headers: { etag } }
    const { start, end } = range
    if (start >= size) return refused(416, 'InvalidRange')
    const place = `bytes ${start}-${end - 1}/${size}`
    return {
      status: 206,
      body: this.isSink ? { zeros: end - start } : bytes.subarray(start, end),
      headers: { etag, 'content-range': place },
    }
  }

  #delete(key: string, query: URLSearchParams): FakeAnswer {
    const id = query.get('uploadId')
    if (id !== null && !this.uploads.delete(id)) return refused(404, 'NoSuchUpload')
    if (id === null) this.objects.delete(key)
    return { status: 204 }
  }

  #deleteMany(body: Buffer): FakeAnswer {
    if (!this.knowsDeleteMany) return refused(501, 'NotImplemented')
    const keys = [...body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key!)
    const errors = keys.filter((key) => this.undeletable.has(key))
    for (const key of keys) if (!this.undeletable.has(key)) this.objects.delete(key)
    const told = errors.map(
      (key) =>
        `<Error>${tag('Key', key)}${tag('Code', 'AccessDenied')}${tag('Message', 'no')}</Error>`,
    )
    return { status: 200, body: `<DeleteResult>${told.join('')}</DeleteResult>` }
  }

  #list(query: URLSearchParams): FakeAnswer {
    const prefix = query.get('prefix') ?? ''
    const after = query.get('continuation-token') ?? query.get('start-after') ?? ''
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && key > after)
      .toSorted()
    const page = keys.slice(0, this.pageKeys)
    const isTruncated = keys.length > page.length
    const deeper = (key: string): boolean =>
      query.has('delimiter') && key.slice(prefix.length).includes('/')
    const contents = page
      .filter((key) => !deeper(key))
      .map(
        (key) =>
          `<Contents>${tag('Key', key)}${tag('Size', this.objects.get(key)!.bytes.length)}</Contents>`,
      )
    const next = isTruncated ? tag('NextContinuationToken', page.at(-1)!) : ''
    const body = `<ListBucketResult>${tag('IsTruncated', isTruncated)}${next}${contents.join('')}</ListBucketResult>`
    return { status: 200, body }
  }

  #listUploads(query: URLSearchParams): FakeAnswer {
    const after = query.get('upload-id-marker') ?? ''
    const ids = [...this.uploads.keys()].filter((id) => id > after).toSorted()
    const page = ids.slice(0, this.pageKeys)
    const one = (id: string): string => {
      const { key, initiated } = this.uploads.get(id)!
      return `<Upload>${tag('Key', key)}${tag('UploadId', id)}${tag('Initiated', initiated.toISOString())}</Upload>`
    }
    const isTruncated = ids.length > page.length
    const last = page.at(-1) ?? ''
    const next = isTruncated
      ? tag('NextKeyMarker', this.uploads.get(last)!.key) + tag('NextUploadIdMarker', last)
      : ''
    const body = `<ListMultipartUploadsResult>${tag('IsTruncated', isTruncated)}${next}${page.map(one).join('')}</ListMultipartUploadsResult>`
    return { status: 200, body }
  }

  #create(key: string): FakeAnswer {
    const id = `upload-${String((this.#count += 1)).padStart(6, '0')}`
    this.uploads.set(id, { key, initiated: new Date(), parts: new Map() })
    return {
      status: 200,
      body: `<InitiateMultipartUploadResult>${tag('UploadId', id)}</InitiateMultipartUploadResult>`,
    }
  }

  #complete(key: string, query: URLSearchParams, body: Buffer): FakeAnswer {
    const id = query.get('uploadId') ?? ''
    const upload = this.uploads.get(id)
    if (upload?.key !== key) return refused(404, 'NoSuchUpload')
    const named = [...body.toString().matchAll(/<Part>.*?<\/Part>/gs)].map(([part]) => part)
    const numbers = named.map((part) => Number(/<PartNumber>(\d+)</.exec(part)?.[1]))
    const parts = numbers.map((number) => upload.parts.get(number))
    for (const [at, part] of parts.entries()) {
      if (numbers[at] !== at + 1) return refused(400, 'InvalidPartOrder')
      if (part === undefined || !named[at]!.replaceAll('&quot;', '"').includes(part.etag))
        return refused(400, 'InvalidPart')
      const crc = /<ChecksumCRC32>([^<]*)</.exec(named[at]!)?.[1]
      if (crc !== undefined && crc !== part.crc32) return refused(400, 'InvalidPart')
      if (part.size < PART_BYTES_MIN && at + 1 < parts.length) return refused(400, 'EntityTooSmall')
    }
    this.uploads.delete(id)
    const bytes = Buffer.concat(parts.map((part) => part!.bytes))
    const size = parts.reduce((sum, part) => sum + part!.size, 0)
    this.objects.set(key, { bytes, size, etag: `"${digestOf('md5', bytes)}-${parts.length}"` })
    return { status: 200, body: '<CompleteMultipartUploadResult/>' }
  }
}

/** What is wrong with a body, by what its request says of it. */
function badBody({ method, headers }: IncomingMessage, body: Buffer): string | undefined {
  if (method !== 'PUT') return undefined
  if (Number(headers['content-length']) !== body.length) return 'MissingContentLength'
  if (headers['x-amz-content-sha256'] !== 'UNSIGNED-PAYLOAD') return 'InvalidRequest'
  const crc = headers['x-amz-checksum-crc32']
  const md5 = headers['content-md5']
  if (crc === undefined && md5 === undefined) return 'InvalidRequest'
  if (crc !== undefined && crc !== digestOf('CRC32', body)) return 'BadDigest'
  return md5 !== undefined && md5 !== digestOf('MD5', body) ? 'BadDigest' : undefined
}

function refused(status: number, code: string, message = 'refused'): FakeAnswer {
  return { status, body: `<Error>${tag('Code', code)}${tag('Message', message)}</Error>` }
}

function tag(name: string, value: unknown): string {
  return `<${name}>${String(value)}</${name}>`
}
