/**
 * Sealing and opening one segment: AES-256-GCM under the blob's own key. The nonce is the segment's
 * number. What is authenticated beside the bytes: the blob's id, its header, the segment's number and
 * whether it is the last. So no segment passes in another place, in another blob, or as an end.
 */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import { BlobDamaged } from '../src/lib/store-error.ts'
import { SEGMENT_BYTES, segmentsOf, TAG_BYTES } from './sealed-format.ts'
import type { BlobId } from './store.ts'

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const OPTIONS = { authTagLength: TAG_BYTES } as const
/** From here on memory of the cipher is given back at once: the garbage collector would come too late. */
const LARGE_BYTES = 16 * 1024

export class SegmentCipher {
  readonly id: BlobId
  readonly header: Buffer
  readonly #key: KeyObject
  readonly #nonce = Buffer.alloc(NONCE_BYTES)
  /** Id, header, number (8 bytes), whether it is the last (1). */
  readonly #context: Buffer
  readonly #numberAt: number

  constructor(id: BlobId, header: Uint8Array, key: KeyObject) {
    this.id = id
    this.header = Buffer.from(header)
    this.#key = key
    this.#context = Buffer.concat([Buffer.from(id), header, Buffer.alloc(9)])
    this.#numberAt = this.#context.length - 9
  }

  /** Writes the sealed segment to the beginning of `target`; returns its length. */
  seal(index: number, isLast: boolean, plain: Uint8Array, target: Buffer): number {
    this.#place(index, isLast)
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce, OPTIONS)
    cipher.setAAD(this.#context)
    take(cipher.update(plain), target)
    cipher.final()
    target.set(cipher.getAuthTag(), plain.length)
    return plain.length + TAG_BYTES
  }

  /** Writes the segment in clear to the beginning of `target`; `BlobDamaged` where it is not what was sealed. */
  open(index: number, isLast: boolean, sealed: Uint8Array, target: Buffer): void {
    this.#place(index, isLast)
    const plainBytes = sealed.length - TAG_BYTES
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#nonce, OPTIONS)
    decipher.setAAD(this.#context)
    decipher.setAuthTag(sealed.subarray(plainBytes))
    const plain = decipher.update(sealed.subarray(0, plainBytes))
    try {
      decipher.final()
    } catch (cause) {
      plain.fill(0)
      throw new BlobDamaged(`blob ${this.id}: segment ${index} is not what was sealed`, { cause })
    }
    take(plain, target)
  }

  #place(index: number, isLast: boolean): void {
    // Numbers stay below 2^32: that is 256 TiB.
    this.#nonce.writeUInt32BE(index, NONCE_BYTES - 4)
    this.#context.writeUInt32BE(index, this.#numberAt + 4)
    this.#context[this.#numberAt + 8] = isLast ? 1 : 0
  }
}

/** Bytes of one segment at rest, of a blob of so many bytes in clear. */
export function sealedLengthOf(index: number, plainBytes: number): number {
  return Math.min(SEGMENT_BYTES, plainBytes - index * SEGMENT_BYTES) + TAG_BYTES
}

export function isLastSegment(index: number, plainBytes: number): boolean {
  return index === segmentsOf(plainBytes) - 1
}

function take(bytes: Buffer, target: Buffer): void {
  target.set(bytes)
  const memory = bytes.buffer as ArrayBuffer
  if (bytes.length >= LARGE_BYTES && memory.byteLength === bytes.length) memory.transfer(0)
}
