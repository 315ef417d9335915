/**
 * The part of Azure Blob Storage that the engine uses, in this process and strict: signatures of the
 * account's key are verified, bodies are checked against their length and checksum, lists of blocks
 * against the blocks, and what is not known here is refused.
 */
import { createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { digestOf } from '../src/lib/digest.ts'
import { type FakeAnswer, FakeService, rangeOf } from './remote.fake.ts'

interface FakeBlob {
  readonly bytes: Buffer
  readonly size: number
  readonly etag: string
}

const QUERIES: ReadonlySet<string> = new Set(
  'restype comp prefix delimiter marker maxresults blockid'.split(' '),
)
const ACCOUNT = 'fakeaccount'

export class FakeAzure extends FakeService {
  readonly account: string = ACCOUNT
  readonly accountKey: string = Buffer.from('the key of the account').toString('base64')
  readonly container = 'blobs'
  readonly blobs: Map<string, FakeBlob> = new Map()
  /** Of each name, blocks that no list has named. */
  readonly blocks: Map<string, Map<string, FakeBlob>> = new Map()
  /** Names of one page of a list. */
  pageKeys = 1000
  /** Flips a bit of each body that comes, as a bad wire would. */
  isDamaging = false
  /** A refusal of its own to whatever comes. */
  refusal: { readonly status: number; readonly code: string } | undefined
  #count = 0

  /** The account's place. */
  get url(): string {
    return `${this.endpoint}/${ACCOUNT}`
  }

  /** Puts a blob there, past the protocol. */
  place(name: string, bytes: Buffer): FakeBlob {
    const blob = this.#kept(bytes, bytes.length)
    this.blobs.set(name, blob)
    return blob
  }

  #kept(bytes: Buffer, size: number): FakeBlob {
    const etag = `"0x${(this.#count += 1).toString(16)}"`
    return { bytes: this.isSink ? Buffer.alloc(0) : bytes, size, etag }
  }

  protected override answer(request: IncomingMessage, body: Buffer): FakeAnswer {
    const { pathname, searchParams: query } = new URL(request.url ?? '', this.endpoint)
    const [, account, container, ...rest] = pathname.split('/')
    const name = decodeURIComponent(rest.join('/'))
    const comp = query.get('comp') ?? ''
    this.calls.push(`${request.method} ${comp}`.trim())
    const unknown = [...query.keys()].find((key) => !QUERIES.has(key))
    if (unknown !== undefined) return refused(400, 'InvalidQueryParameterValue', unknown)
    if (this.refusal !== undefined) return refused(this.refusal.status, this.refusal.code, 'no')
    if (account !== ACCOUNT || !this.#isSigned(request))
      return refused(403, 'AuthenticationFailed', 'Server failed to authenticate the request.')
    if (container !== this.container)
      return refused(404, 'ContainerNotFound', 'The specified container does not exist.')
    if (name === '' && request.method === 'GET' && comp === 'list') return this.#list(query)
    if (this.isDamaging && body.length > 0) body[0]! ^= 1
    if (request.method === 'PUT') return this.#put(name, query, request, body)
    if (comp !== '' || name === '') return refused(405, 'UnsupportedHttpVerb', 'no such call')
    if (request.method === 'GET') return this.#get(name, request)
    if (request.method !== 'DELETE') return refused(405, 'UnsupportedHttpVerb', 'no such call')
    return this.blobs.delete(name) ? { status: 202 } : missing()
  }

  /** The string to sign of "Authorize with Shared Key", and its signature. */
  #isSigned({ method, headers, url = '' }: IncomingMessage): boolean {
    const { pathname, searchParams } = new URL(url, this.endpoint)
    const length = headers['content-length'] === '0' ? '' : headers['content-length']
    const words = `content-md5 content-type date if-modified-since if-match if-none-match if-unmodified-since range`
    const standard = words.split(' ').map((name) => headers[name] ?? '')
    const own = Object.keys(headers)
      .filter((name) => name.startsWith('x-ms-'))
      .toSorted()
      .map((name) => `${name}:${String(headers[name])}`)
    const query = [...searchParams].map(([name, value]) => `\n${name}:${value}`).toSorted()
    const encoding = [headers['content-encoding'] ?? '', headers['content-language'] ?? '']
    const first = [method, ...encoding, length ?? '', ...standard, ...own]
    const text = `${first.join('\n')}\n/${ACCOUNT}${pathname}${query.join('')}`
    const key = Buffer.from(this.accountKey, 'base64')
    const signature = createHmac('sha256', key).update(text).digest('base64')
    return headers.authorization === `SharedKey ${ACCOUNT}:${signature}`
  }

  #put(name: string, query: URLSearchParams, request: IncomingMessage, body: Buffer): FakeAnswer {
    const { headers } = request
    const comp = query.get('comp')
    if (Number(headers['content-length']) !== body.length)
      return refused(411, 'MissingContentLengthHeader', 'a length is required')
    if (comp === 'blocklist') return this.#commit(name, body)
    const bad = badBody(headers, body)
    if (bad !== undefined) return refused(400, bad, 'the body is not what was said of it')
    const made = this.#kept(Buffer.from(body), body.length)
    if (comp === 'block') {
      const blocks = this.blocks.get(name) ?? new Map<string, FakeBlob>()
      this.blocks.set(name, blocks)
      const id = query.get('blockid') ?? ''
      const [other] = blocks.keys()
      if (id === '' || (other !== undefined && other.length !== id.length))
        return refused(400, 'InvalidBlobOrBlock', 'ids of blocks are of one length')
      blocks.set(id, made)
    } else if (comp === null && headers['x-ms-blob-type'] === 'BlockBlob') {
      this.blobs.set(name, made)
      this.blocks.delete(name)
    } else return refused(400, 'InvalidHeaderValue', 'no such put')
    return { status: 201, headers: { etag: made.etag } }
  }

  /** A list that was taken already is taken again: its blocks are the blob's. */
  #committed = new Map<string, string>()

  #commit(name: string, body: Buffer): FakeAnswer {
    const text = body.toString()
    const ids = [...text.matchAll(/<Latest>([^<]*)<\/Latest>/g)].map(([, id]) => id!)
    const same = this.blobs.get(name)
    if (same !== undefined && this.#committed.get(name) === text)
      return { status: 201, headers: { etag: same.etag } }
    const blocks = ids.map((id) => this.blocks.get(name)?.get(id))
    if (ids.length === 0 || blocks.includes(undefined))
      return refused(400, 'InvalidBlockList', 'a block is not there')
    const size = blocks.reduce((sum, block) => sum + block!.size, 0)
    const made = this.#kept(Buffer.concat(blocks.map((block) => block!.bytes)), size)
    this.blobs.set(name, made)
    this.blocks.delete(name)
    this.#committed.set(name, text)
    return { status: 201, headers: { etag: made.etag } }
  }

  #get(name: string, { headers }: IncomingMessage): FakeAnswer {
    const blob = this.blobs.get(name)
    if (blob === undefined) return missing()
    const { bytes, size, etag } = blob
    const match = headers['if-match']
    if (match !== undefined && match !== etag)
      return refused(412, 'ConditionNotMet', 'another blob')
    const asked = headers['x-ms-range'] ?? headers.range
    const range = rangeOf(typeof asked === 'string' ? asked : undefined, size)
    if (range === undefined)
      return { status: 200, body: this.isSink ? { zeros: size } : bytes, headers: { etag } }
    const { start, end } = range
    if (start >= size) return refused(416, 'InvalidRange', 'no such range')
    return {
      status: 206,
      body: this.isSink ? { zeros: end - start } : bytes.subarray(start, end),
      headers: { etag, 'content-range': `bytes ${start}-${end - 1}/${size}` },
    }
  }

  #list(query: URLSearchParams): FakeAnswer {
    const prefix = query.get('prefix') ?? ''
    const from = query.get('marker') ?? ''
    const names = [...this.blobs.keys()]
      .filter((name) => name.startsWith(prefix) && name >= from)
      .toSorted()
    const page = names.slice(0, Math.min(this.pageKeys, Number(query.get('maxresults') ?? 5000)))
    const isDeeper = (name: string): boolean =>
      query.has('delimiter') && name.slice(prefix.length).includes('/')
    const items = page
      .filter((name) => !isDeeper(name))
      .map((name) => {
        const size = `<Content-Length>${this.blobs.get(name)!.size}</Content-Length>`
        return `<Blob><Name>${name}</Name><Properties>${size}</Properties></Blob>`
      })
    const next = names[page.length] ?? ''
    const body = `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="${this.url}" ContainerName="${this.container}"><Blobs>${items.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`
    return { status: 200, body, headers: { 'content-type': 'application/xml' } }
  }
}

/** Each body has to say what it is. */
function badBody(headers: IncomingMessage['headers'], body: Buffer): string | undefined {
  const crc = headers['x-ms-content-crc64']
  const md5 = headers['content-md5']
  if (crc === undefined && md5 === undefined) return 'MissingRequiredHeader'
  const sum = Buffer.from(digestOf('CRC64NVME', body), 'base64').reverse().toString('base64')
  if (crc !== undefined && crc !== sum) return 'Crc64Mismatch'
  return md5 !== undefined && md5 !== digestOf('MD5', body) ? 'Md5Mismatch' : undefined
}

function missing(): FakeAnswer {
  return refused(404, 'BlobNotFound', 'The specified blob does not exist.')
}

function refused(status: number, code: string, message: string): FakeAnswer {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}\nRequestId:1</Message></Error>`
  return { status, body, headers: { 'content-type': 'application/xml', 'x-ms-error-code': code } }
}
