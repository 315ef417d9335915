/**
 * Digests of bytes, whole or on their way: MD5 in hex (ETags), S3's checksums in base64 (big-endian).
 *
 * All calls are synchronous. Any number of digests may be under way at once, and each costs a state
 * of at most 600 bytes. `digestsReady` has to be awaited once before the first XXHASH.
 *
 * Who computes what was chosen by measuring (4 KiB and 1 MiB bodies): OpenSSL for MD5 and SHA,
 * @node-rs/crc32 for the 32-bit CRCs, WebAssembly for CRC64NVME (ours) and the XXHASHes (hash-wasm).
 */
import { createHash, hash, type Hash } from 'node:crypto'
import { crc32, crc32c } from '@node-rs/crc32'
import type { IHasher } from 'hash-wasm'
import { Crc64 } from './crc64.ts'

export type Algorithm =
  | 'md5'
  | 'CRC32'
  | 'CRC32C'
  | 'CRC64NVME'
  | 'SHA1'
  | 'SHA256'
  | 'SHA512'
  | 'MD5'
  | 'XXHASH64'
  | 'XXHASH3'
  | 'XXHASH128'

/** A digest under way. */
export interface Digest {
  /** Takes the bytes in; they may be reused afterwards. */
  update(bytes: Uint8Array): void
  /** Of all bytes so far: hex for `md5`, else base64. Ends the digest: nothing is called after it. */
  value(): string
}

type XxHash = 'XXHASH64' | 'XXHASH3' | 'XXHASH128'

/** The digest of a whole body: cheaper than `createDigest` where the body is small. */
export function digestOf(algorithm: Algorithm, bytes: Uint8Array): string {
  switch (algorithm) {
    case 'md5':
      return hash('md5', bytes, 'hex')
    case 'MD5':
      return hash('md5', bytes, 'base64')
    case 'SHA1':
      return hash('sha1', bytes, 'base64')
    case 'SHA256':
      return hash('sha256', bytes, 'base64')
    case 'SHA512':
      return hash('sha512', bytes, 'base64')
    case 'CRC32':
      return base64Of32(crc32(bytes))
    case 'CRC32C':
      return base64Of32(crc32c(bytes))
    case 'CRC64NVME': {
      const [high, low] = new Crc64().update(bytes).value()
      return base64Of64(high, low)
    }
    default: {
      const engine = engineOf(algorithm)
      engine.park()
      return base64(engine.hasher.init().update(bytes).digest('binary'))
    }
  }
}

/** A digest to which the bytes are given as they come. */
export function createDigest(algorithm: Algorithm): Digest {
  switch (algorithm) {
    case 'md5':
      return new OpensslDigest('md5', 'hex')
    case 'MD5':
    case 'SHA1':
    case 'SHA256':
    case 'SHA512':
      return new OpensslDigest(algorithm, 'base64')
    case 'CRC32':
      return new Crc32Digest(crc32)
    case 'CRC32C':
      return new Crc32Digest(crc32c)
    case 'CRC64NVME':
      return new Crc64Digest()
    default:
      return new XxHashDigest(engineOf(algorithm))
  }
}

/** SHA-256 in hex, as in `x-amz-content-sha256`. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex')
}

const scratch = Buffer.alloc(8)

/** A 32-bit checksum as S3 writes it. */
export function base64Of32(value: number): string {
  scratch.writeUInt32BE(value, 0)
  return scratch.toString('base64', 0, 4)
}

/** A 64-bit checksum, given in halves, as S3 writes it. */
export function base64Of64(high: number, low: number): string {
  scratch.writeUInt32BE(high, 0)
  scratch.writeUInt32BE(low, 4)
  return scratch.toString('base64', 0, 8)
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

class OpensslDigest implements Digest {
  readonly #hash: Hash
  readonly #encoding: 'hex' | 'base64'

  constructor(name: string, encoding: 'hex' | 'base64') {
    this.#hash = createHash(name)
    this.#encoding = encoding
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  value(): string {
    return this.#hash.digest(this.#encoding)
  }
}

class Crc32Digest implements Digest {
  readonly #crc: (bytes: Uint8Array, state: number) => number
  #state = 0

  constructor(crc: (bytes: Uint8Array, state: number) => number) {
    this.#crc = crc
  }

  update(bytes: Uint8Array): void {
    this.#state = this.#crc(bytes, this.#state)
  }

  value(): string {
    return base64Of32(this.#state)
  }
}

class Crc64Digest implements Digest {
  readonly #crc = new Crc64()

  update(bytes: Uint8Array): void {
    this.#crc.update(bytes)
  }

  value(): string {
    return base64Of64(...this.#crc.value())
  }
}

/** The one WebAssembly instance of an XXHASH, whose memory holds one digest at a time. */
class XxHashEngine {
  readonly hasher: IHasher
  /** Whose state is in the hasher now. */
  #holder: XxHashDigest | undefined

  constructor(hasher: IHasher) {
    this.hasher = hasher
  }

  /** Saves the state of whoever holds the hasher, which is then free. */
  park(): void {
    if (this.#holder !== undefined) this.#holder.saved = this.hasher.save()
    this.#holder = undefined
  }

  /** Puts the state of `digest` into the hasher; a lone stream pays for neither saving nor loading. */
  hold(digest: XxHashDigest): void {
    if (this.#holder === digest) return
    this.park()
    if (digest.saved === undefined) this.hasher.init()
    else this.hasher.load(digest.saved)
    digest.saved = undefined
    this.#holder = digest
  }

  finish(digest: XxHashDigest): Uint8Array {
    this.hold(digest)
    this.#holder = undefined
    return this.hasher.digest('binary')
  }
}

class XxHashDigest implements Digest {
  readonly #engine: XxHashEngine
  /** The state, while another digest holds the engine. */
  saved: Uint8Array | undefined

  constructor(engine: XxHashEngine) {
    this.#engine = engine
  }

  update(bytes: Uint8Array): void {
    this.#engine.hold(this)
    this.#engine.hasher.update(bytes)
  }

  value(): string {
    return base64(this.#engine.finish(this))
  }
}

const engines = new Map<XxHash, XxHashEngine>()

function engineOf(algorithm: XxHash): XxHashEngine {
  const engine = engines.get(algorithm)
  if (engine === undefined) throw new Error(`${algorithm} before digestsReady was awaited`)
  return engine
}

async function compile(): Promise<void> {
  const { createXXHash64, createXXHash3, createXXHash128 } = await import('hash-wasm')
  const [xx64, xx3, xx128] = await Promise.all([
    createXXHash64(0, 0),
    createXXHash3(0, 0),
    createXXHash128(0, 0),
  ])
  engines.set('XXHASH64', new XxHashEngine(xx64))
  engines.set('XXHASH3', new XxHashEngine(xx3))
  engines.set('XXHASH128', new XxHashEngine(xx128))
}

/** Resolved once every algorithm can be used; the server awaits it before it listens. */
export const digestsReady: Promise<void> = compile()
