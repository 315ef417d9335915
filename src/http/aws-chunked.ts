/**
 * Takes the aws-chunked framing off a body (S3, "Signature Calculations for the Authorization
 * Header: Transferring Payload in Multiple Chunks", and the trailer forms of it):
 *
 *     5;chunk-signature=<64 hex>\r\n hello \r\n 0;chunk-signature=...\r\n [trailers] \r\n
 *
 * Data passes through as views of what was pushed; the data of small chunks is moved together within
 * it first, so that a body of 5-byte chunks (SDKs send those) costs no view each. A signed chunk's data is handed on before its signature is known to hold: a
 * wrong one fails the body, and a body that fails leaves nothing stored.
 *
 * Trailers end with CRLF or LF, and empty lines may stand between them: S3's documentation shows
 * `name:value\n\r\nx-amz-trailer-signature:...\r\n\r\n`, and SDKs send that; minio-go closes with
 * `\n\r\n\r\n`.
 */
import { createHash, hash, type Hash } from 'node:crypto'
import { S3Error } from '../api/error.ts'
import type { ChunkSigner } from '../auth/authenticator.ts'

/** `hex;chunk-signature=<64 hex>` is 17 + 16 + 64 bytes at most; extensions of others are tolerated to here. */
const CHUNK_HEADER_BYTES_MAX = 512
/** All trailers with their line ends. */
const TRAILER_BYTES_MAX = 8192
const TRAILERS_MAX = 16
/** 2^52 - 1 bytes; what may be stored is the payload's to say. */
const CHUNK_SIZE_DIGITS_MAX = 13
/** Data of a chunk up to here is copied to its neighbour rather than handed on by itself. */
const COPY_BYTES_MAX = 4096
/** Line ends that may follow the end. */
const CLOSING_BYTES_MAX = 4
const SIGNATURE_EXTENSION = ';chunk-signature='
const TRAILER_SIGNATURE = 'x-amz-trailer-signature'

const LF = 10
const CR = 13

export interface ChunkedFraming {
  /** Absent: chunks bear no signature. */
  readonly signer?: ChunkSigner
  /** Trailers may follow the last chunk. */
  readonly trailer: boolean
  /** Names that `x-amz-trailer` announced, in lower case: these must come, and no others. */
  readonly announced: readonly string[]
}

type State = 'header' | 'data' | 'after-data' | 'trailer' | 'done'

/** Push bytes, get data by `onData`; then `end`. Both throw `S3Error`, after which it is used no more. */
export class ChunkedDecoder {
  readonly #framing: ChunkedFraming
  readonly #onData: (data: Uint8Array) => void
  /** Trailers seen; signature aside. Names in lower case. */
  readonly trailers: Map<string, string> = new Map()
  #state: State = 'header'
  /** Begin of a line whose end has not come yet, latin1. */
  #line = ''
  /** Bytes of the chunk still to come. */
  #left = 0
  #isLast = false
  #signature = ''
  /** Over the data of a signed chunk that comes in more than one push. */
  #hash: Hash | undefined
  #trailerBytes = 0
  #closingBytes = 0
  /** Data found in the push under way and not yet handed on: its place in the bytes. */
  #runStart = 0
  #runEnd = 0
  #canonicalTrailers = ''
  #trailerSignature = ''

  constructor(framing: ChunkedFraming, onData: (data: Uint8Array) => void) {
    this.#framing = framing
    this.#onData = onData
  }

  /** The bytes are the decoder's to change. */
  push(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#state === 'data') at = this.#data(bytes, at)
      else if (this.#state === 'done') at = this.#closing(bytes, at)
      else at = this.#text(bytes, at)
    }
    this.#flush(bytes)
  }

  /** The transport's body has ended: checks that the framing has, too. */
  end(): void {
    if (this.#state !== 'trailer' && this.#state !== 'done') {
      throw new S3Error('IncompleteBody', { message: 'The request body terminated unexpectedly' })
    }
    // The empty line that closes is left out by some, but a half line is a body cut short.
    if (this.#state === 'trailer') {
      if (this.#line !== '') throw new S3Error('MalformedTrailerError')
      this.#finish()
    }
  }

  #data(bytes: Uint8Array, at: number): number {
    const end = Math.min(bytes.length, at + this.#left)
    this.#left -= end - at
    const { signer } = this.#framing
    if (signer !== undefined) this.#sign(bytes.subarray(at, end), signer)
    if (end - at > COPY_BYTES_MAX || this.#runStart === this.#runEnd) {
      this.#flush(bytes)
      this.#runStart = at
      this.#runEnd = end
    } else {
      bytes.copyWithin(this.#runEnd, at, end)
      this.#runEnd += end - at
    }
    if (this.#left === 0) this.#state = 'after-data'
    return end
  }

  #flush(bytes: Uint8Array): void {
    const start = this.#runStart
    const end = this.#runEnd
    this.#runStart = this.#runEnd = 0
    if (end > start) this.#onData(end - start === bytes.length ? bytes : bytes.subarray(start, end))
  }

  #sign(data: Uint8Array, signer: ChunkSigner): void {
    if (this.#left > 0) {
      this.#hash ??= createHash('sha256')
      this.#hash.update(data)
      return
    }
    const sum = this.#hash?.update(data).digest('hex') ?? hash('sha256', data, 'hex')
    this.#hash = undefined
    check(signer.chunk(sum), this.#signature)
  }

  /** Consumes up to the end of a line, or what there is of it. */
  #text(bytes: Uint8Array, at: number): number {
    const limit = this.#state === 'trailer' ? TRAILER_BYTES_MAX : CHUNK_HEADER_BYTES_MAX
    const window = Math.min(bytes.length, at + limit - this.#line.length + 1)
    let end = at
    while (end < window && bytes[end] !== LF) end++
    const complete = end < window
    this.#line += String.fromCharCode.apply(null, bytes.subarray(at, end) as unknown as number[])
    if (this.#line.length > limit) throw this.#tooLong()
    if (complete) {
      const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line
      this.#line = ''
      this.#take(line)
      return end + 1
    }
    return end
  }

  #closing(bytes: Uint8Array, at: number): number {
    const byte = bytes[at]
    if ((byte !== CR && byte !== LF) || ++this.#closingBytes > CLOSING_BYTES_MAX) {
      throw malformed('bytes follow its end')
    }
    return at + 1
  }

  #tooLong(): S3Error {
    return this.#state === 'trailer'
      ? new S3Error('MalformedTrailerError')
      : malformed('a chunk header is too long')
  }

  #take(line: string): void {
    if (this.#state === 'after-data') {
      if (line !== '') throw malformed('a chunk is longer than its header says')
      this.#state = 'header'
    } else if (this.#state === 'header') this.#header(line)
    else this.#trailerLine(line)
  }

  #header(line: string): void {
    const { signer } = this.#framing
    const extension = line.indexOf(';')
    this.#left = parseSize(extension < 0 ? line : line.slice(0, extension))
    this.#isLast = this.#left === 0
    if (signer !== undefined) {
      if (extension < 0 || !line.startsWith(SIGNATURE_EXTENSION, extension)) {
        throw new S3Error('SignatureDoesNotMatch', { message: 'A chunk bears no chunk-signature.' })
      }
      this.#signature = line.slice(extension + SIGNATURE_EXTENSION.length)
      if (this.#isLast) check(signer.chunk(EMPTY_SHA256), this.#signature)
    }
    this.#state = this.#isLast ? 'trailer' : 'data'
  }

  #trailerLine(line: string): void {
    this.#trailerBytes += line.length + 2
    if (this.#trailerBytes > TRAILER_BYTES_MAX) throw new S3Error('MalformedTrailerError')
    if (line === '') {
      if (this.#isComplete()) this.#finish()
      return
    }
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0)).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === TRAILER_SIGNATURE && this.#trailerSignature === '') this.#trailerSignature = value
    else {
      const expected = this.#framing.trailer && this.#framing.announced.includes(name)
      const more = this.trailers.size < TRAILERS_MAX && this.#trailerSignature === ''
      if (!expected || !more || this.trailers.has(name)) throw new S3Error('MalformedTrailerError')
      this.trailers.set(name, value)
      this.#canonicalTrailers += `${name}:${value}\n`
    }
  }

  /** Everything that must come has come; a signature over the trailers included. */
  #isComplete(): boolean {
    const { signer, trailer, announced } = this.#framing
    if (trailer && signer !== undefined && this.#trailerSignature === '')
      return announced.length === 0
    return this.trailers.size === announced.length
  }

  #finish(): void {
    const { signer, trailer } = this.#framing
    if (!this.#isComplete()) throw new S3Error('MalformedTrailerError')
    if (this.#trailerSignature !== '') {
      if (!trailer || signer === undefined) throw new S3Error('MalformedTrailerError')
      check(signer.trailer(hash('sha256', this.#canonicalTrailers, 'hex')), this.#trailerSignature)
    }
    this.#state = 'done'
  }
}

const EMPTY_SHA256 = hash('sha256', '', 'hex')

function malformed(why: string): S3Error {
  return new S3Error('InvalidRequest', { message: `The aws-chunked body is malformed: ${why}.` })
}

function parseSize(text: string): number {
  let size = 0
  if (text === '' || text.length > CHUNK_SIZE_DIGITS_MAX)
    throw malformed('a chunk size is not valid')
  for (let i = 0; i < text.length; i++) {
    const digit = hexDigit(text.charCodeAt(i))
    if (digit < 0) throw malformed('a chunk size is not valid')
    size = size * 16 + digit
  }
  return size
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

/** Compares in a time that does not tell where two signatures differ. */
function check(expected: string, given: string): void {
  let difference = expected.length ^ given.length
  for (let i = 0; i < expected.length; i++)
    difference |= expected.charCodeAt(i) ^ given.charCodeAt(i)
  if (difference !== 0) throw new S3Error('SignatureDoesNotMatch')
}
