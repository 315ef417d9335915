/**
 * The part of Google Cloud Storage's JSON API that the engine uses, in this process and strict: bodies
 * are checked against their length and CRC32C, chunks against their place and size, and what is not
 * known here is refused. Where it has a `verifyKey`, requests must bear a token that the key's owner
 * has signed.
 */
import { type KeyObject, verify } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createDigest, type Digest, digestOf } from '../src/lib/digest.ts'
import { type FakeAnswer, FakeService, rangeOf } from './remote.fake.ts'

interface FakeObject {
  readonly bytes: Buffer
  readonly size: number
  readonly crc32c: string
  readonly generation: string
}

interface FakeSession {
  readonly name: string
  readonly chunks: Buffer[]
  readonly digest: Digest
  size: number
  /** What it has become. */
  object?: FakeObject
}

const CHUNK_UNIT = 256 * 1024
const QUERIES: ReadonlySet<string> = new Set(
  'uploadType name upload_id alt ifGenerationMatch prefix delimiter maxResults startOffset pageToken fields permissions'.split(
    ' ',
  ),
)

export class FakeGcs extends FakeService {
  readonly bucket = 'blobs'
  readonly objects: Map<string, FakeObject> = new Map()
  readonly sessions: Map<string, FakeSession> = new Map()
  /** Keys of one page of a list. */
  pageKeys = 1000
  /** Most bytes that are taken of a chunk; the rest has to be sent again. */
  takenBytesMax: number = Infinity
  permissions: readonly string[] = ['create', 'delete', 'get', 'list']
  verifyKey: KeyObject | undefined
  /** The claims of the tokens that came. */
  readonly claims: Record<string, unknown>[] = []
  /** Flips a bit of each blob's bytes that come, as a bad wire would. */
  isDamaging = false
  #count = 0

  /** Puts an object there, past the protocol. */
  place(name: string, bytes: Buffer): FakeObject {
    return this.#keep(name, bytes, bytes.length, digestOf('CRC32C', bytes))
  }

  #keep(name: string, bytes: Buffer, size: number, crc32c: string): FakeObject {
    const generation = String(1_700_000_000_000_000 + (this.#count += 1))
    const kept = this.isSink ? Buffer.alloc(0) : bytes
    const object = { bytes: kept, size, crc32c, generation }
    this.objects.set(name, object)
    return object
  }

  protected override answer(request: IncomingMessage, body: Buffer): FakeAnswer {
    const { pathname, searchParams: query } = new URL(request.url ?? '', this.endpoint)
    const isUpload = pathname.startsWith('/upload/')
    const parts = pathname.replace(/^\/upload/, '').split('/')
    const [, , , , bucket = '', kind, ...rest] = parts
    const name = decodeURIComponent(rest.join('/'))
    this.calls.push(`${request.method} ${isUpload ? 'upload ' : ''}${[...query.keys()].join(' ')}`)
    const unknown = [...query.keys()].find((key) => !QUERIES.has(key))
    if (unknown !== undefined || !pathname.includes('/storage/v1/b/') || rest.length > 1)
      return refused(400, 'invalid', `not known here: ${request.method} ${request.url}`)
    if (!this.#isSigned(request)) return refused(401, 'authError', 'Invalid Credentials')
    if (decodeURIComponent(bucket) !== this.bucket)
      return refused(404, 'notFound', 'The specified bucket does not exist.')
    if (body.length > 0 && Number(request.headers['content-length']) !== body.length)
      return refused(411, 'required', 'a length is required')
    if (this.isDamaging && body.length > 0 && !isJson(request)) body[0]! ^= 1
    if (kind === 'iam') return this.#permitted(query)
    if (isUpload) return this.#upload(request, query, body)
    if (request.method === 'GET') return name ? this.#get(name, query, request) : this.#list(query)
    if (request.method !== 'DELETE') return refused(405, 'methodNotAllowed', 'no such call')
    return this.objects.delete(name) ? { status: 204 } : missing(bucket, name)
  }

  #isSigned({ headers }: IncomingMessage): boolean {
    if (this.verifyKey === undefined) return true
    const token = /^Bearer (\S+)\.(\S+)$/.exec(headers.authorization ?? '')
    if (token === null) return false
    const [, signed = '', signature = ''] = token
    const bytes = Buffer.from(signature, 'base64url')
    if (!verify('sha256', Buffer.from(signed), this.verifyKey, bytes)) return false
    const claims = Buffer.from(signed.split('.')[1] ?? '', 'base64url').toString()
    this.claims.push(JSON.parse(claims) as Record<string, unknown>)
    return true
  }

  #permitted(query: URLSearchParams): FakeAnswer {
    const permissions = query
      .getAll('permissions')
      .filter((asked) => this.permissions.some((verb) => asked === `storage.objects.${verb}`))
    return json(permissions.length === 0 ? {} : { permissions })
  }

  #upload(request: IncomingMessage, query: URLSearchParams, body: Buffer): FakeAnswer {
    const { method, headers } = request
    const type = query.get('uploadType')
    const id = query.get('upload_id')
    const name = query.get('name') ?? ''
    if (method === 'DELETE' && id !== null)
      return this.sessions.delete(id) ? { status: 499 } : refused(404, 'notFound', 'no such upload')
    if (method === 'PUT' && id !== null) return this.#chunk(id, request, body)
    if (method !== 'POST' || name === '') return refused(405, 'methodNotAllowed', 'no such call')
    if (type === 'media') {
      if (!isHashed(headers, body)) return refused(400, 'invalid', 'the CRC32C does not match')
      return described(name, this.place(name, body))
    }
    const isDescribed = isJson(request) && body.toString() === '{}'
    if (type !== 'resumable' || !isDescribed) return refused(400, 'invalid', 'no such upload')
    if (headers['x-upload-content-type'] !== 'application/octet-stream')
      return refused(400, 'invalid', 'what is uploaded is not said')
    const session = `session-${(this.#count += 1)}`
    this.sessions.set(session, { name, chunks: [], digest: createDigest('CRC32C'), size: 0 })
    const { pathname, search } = new URL(request.url ?? '', this.endpoint)
    const location = `${this.endpoint}${pathname}${search}&upload_id=${session}`
    return { status: 200, headers: { location } }
  }

  #chunk(id: string, { headers }: IncomingMessage, body: Buffer): FakeAnswer {
    const session = this.sessions.get(id)
    if (session === undefined) return refused(410, 'notFound', 'the upload is gone')
    if (session.object !== undefined) return described(session.name, session.object)
    const range = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(headers['content-range'] ?? '')
    if (range === null) return refused(400, 'invalid', 'no content-range')
    const start = Number(range[1] ?? session.size)
    const isLast = range[3] !== '*'
    if (range[1] !== undefined && Number(range[2]) - start + 1 !== body.length)
      return refused(400, 'invalid', 'the range is not that of the body')
    if (!isLast && body.length % CHUNK_UNIT !== 0)
      return refused(400, 'invalid', 'a chunk is a multiple of 256 KiB')
    if (start > session.size) return refused(503, 'backendError', 'bytes are missing before these')
    const fresh = body.subarray(session.size - start)
    const taken = fresh.subarray(0, this.takenBytesMax)
    if (!this.isSink) session.chunks.push(Buffer.from(taken))
    session.digest.update(taken)
    session.size += taken.length
    if (!isLast || session.size < Number(range[3])) return reached(session.size)
    const crc32c = session.digest.value()
    if (session.size !== Number(range[3]) || headers['x-goog-hash'] !== `crc32c=${crc32c}`) {
      this.sessions.delete(id)
      return refused(400, 'invalid', 'size or CRC32C do not match')
    }
    session.object = this.#keep(session.name, Buffer.concat(session.chunks), session.size, crc32c)
    session.chunks.length = 0
    return described(session.name, session.object)
  }

  #get(name: string, query: URLSearchParams, { headers }: IncomingMessage): FakeAnswer {
    const object = this.objects.get(name)
    if (query.get('alt') !== 'media') return refused(400, 'invalid', 'alt=media is all there is')
    if (object === undefined) return missing(this.bucket, name)
    const { bytes, size, generation, crc32c } = object
    const match = query.get('ifGenerationMatch')
    if (match !== null && match !== generation)
      return refused(412, 'conditionNotMet', 'another generation')
    const common = { 'x-goog-generation': generation, 'x-goog-hash': `crc32c=${crc32c}` }
    const range = rangeOf(headers.range, size)
    if (range === undefined)
      return { status: 200, body: this.isSink ? { zeros: size } : bytes, headers: common }
    const { start, end } = range
    if (start >= size) return refused(416, 'requestedRangeNotSatisfiable', 'no such range')
    return {
      status: 206,
      body: this.isSink ? { zeros: end - start } : bytes.subarray(start, end),
      headers: { ...common, 'content-range': `bytes ${start}-${end - 1}/${size}` },
    }
  }

  #list(query: URLSearchParams): FakeAnswer {
    const prefix = query.get('prefix') ?? ''
    const from = query.get('pageToken') ?? query.get('startOffset') ?? ''
    const names = [...this.objects.keys()]
      .filter((name) => name.startsWith(prefix) && name >= from)
      .toSorted()
    const page = names.slice(0, Math.min(this.pageKeys, Number(query.get('maxResults') ?? 1000)))
    const isDeeper = (name: string): boolean =>
      query.has('delimiter') && name.slice(prefix.length).includes('/')
    const items = page
      .filter((name) => !isDeeper(name))
      .map((name) => ({ name, size: String(this.objects.get(name)!.size) }))
    const next = names[page.length]
    return json({ ...(items.length > 0 && { items }), ...(next && { nextPageToken: next }) })
  }
}

function isJson({ headers }: IncomingMessage): boolean {
  return headers['content-type'] === 'application/json'
}

/** Each body has to say what it is. */
function isHashed(headers: IncomingMessage['headers'], bytes: Buffer): boolean {
  return headers['x-goog-hash'] === `crc32c=${digestOf('CRC32C', bytes)}`
}

function reached(size: number): FakeAnswer {
  return { status: 308, headers: size === 0 ? {} : { range: `bytes=0-${size - 1}` } }
}

function described(name: string, { size, crc32c, generation }: FakeObject): FakeAnswer {
  return json({ kind: 'storage#object', name, size: String(size), crc32c, generation })
}

function json(value: unknown): FakeAnswer {
  return {
    status: 200,
    body: JSON.stringify(value),
    headers: { 'content-type': 'application/json; charset=UTF-8' },
  }
}

function missing(bucket: string, name: string): FakeAnswer {
  return refused(404, 'notFound', `No such object: ${bucket}/${name}`)
}

function refused(code: number, reason: string, message: string): FakeAnswer {
  return { ...json({ error: { code, message, errors: [{ reason, message }] } }), status: code }
}
