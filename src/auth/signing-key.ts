/**
 * The signing key of one secret, day, region and service, and the signatures that it makes.
 *
 * HMAC-SHA256 is written out over one-shot hashes (RFC 2104: the two padded blocks are made once for
 * a key): half the time of `createHmac`, of whose cost most is making and feeding the object.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto'

const BLOCK_BYTES = 64
const DIGEST_BYTES = 32
/** A string to sign has some 130 to 330 bytes; longer ones are signed too, only slower. */
const MESSAGE_BYTES_USUAL = 448

export class SigningKey {
  /** Inner block, then the message. */
  readonly #inner: Buffer = Buffer.alloc(BLOCK_BYTES + MESSAGE_BYTES_USUAL)
  /** Outer block, then the inner digest. */
  readonly #outer: Buffer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES)
  /** The part of `#inner` hashed last: messages of one key seldom differ in length. */
  #filled: Buffer = this.#inner.subarray(0, BLOCK_BYTES)

  /** `key`: at most 64 bytes. */
  constructor(key: Uint8Array) {
    if (key.length > BLOCK_BYTES) throw new RangeError('a signing key has at most 64 bytes')
    for (let at = 0; at < BLOCK_BYTES; at++) {
      this.#inner[at] = (key[at] ?? 0) ^ 0x36
      this.#outer[at] = (key[at] ?? 0) ^ 0x5c
    }
  }

  /** Signature (64 lower-case hex digits) of a text, each character of which is one byte. */
  sign(message: string): string {
    const end = BLOCK_BYTES + message.length
    if (end > this.#inner.length) {
      const long = Buffer.concat([
        this.#inner.subarray(0, BLOCK_BYTES),
        Buffer.from(message, 'latin1'),
      ])
      return this.#finish(long)
    }
    this.#inner.write(message, BLOCK_BYTES, 'latin1')
    if (this.#filled.length !== end) this.#filled = this.#inner.subarray(0, end)
    return this.#finish(this.#filled)
  }

  #finish(inner: Buffer): string {
    this.#outer.write(hash('sha256', inner, 'binary'), BLOCK_BYTES, 'latin1')
    return hash('sha256', this.#outer, 'hex')
  }
}

/** The key with which requests (of S3, where no other service is named) of that day (`YYYYMMDD`) and region are signed. */
export function deriveSigningKey(
  secret: string,
  date: string,
  region: string,
  service = 's3',
): SigningKey {
  let key: Uint8Array = Buffer.from(`AWS4${secret}`)
  for (const step of [date, region, service, 'aws4_request']) {
    key = createHmac('sha256', key).update(step, 'latin1').digest()
  }
  return new SigningKey(key)
}

const SIGNATURE_LENGTH = 64
const ours = Buffer.alloc(SIGNATURE_LENGTH)
const theirs = Buffer.alloc(SIGNATURE_LENGTH)

/**
 * Whether a signature that was sent is the one expected, in time that does not tell how much of it is.
 * Text against text: what is shorter, longer or in upper case is another signature.
 */
export function sameSignature(expected: string, sent: string): boolean {
  if (expected.length !== SIGNATURE_LENGTH || sent.length !== SIGNATURE_LENGTH) return false
  ours.write(expected, 'latin1')
  // UTF-8, in which what is not ASCII can never look like a digit.
  theirs.write(sent, 'utf8')
  return timingSafeEqual(ours, theirs)
}
