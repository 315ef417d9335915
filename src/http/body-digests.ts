/** The digests of one body, each computed once whoever asks for it and in whatever spelling. */
import type { DigestName } from '../api/payload.ts'
import { createDigest, digestOf, type Digest } from '../lib/digest.ts'

/** MD5 serves both `md5` (hex, the ETag) and `MD5` (base64, the checksum). */
type Computed = Exclude<DigestName, 'MD5'>

export class BodyDigests {
  readonly #names: Computed[] = []
  #running: readonly Digest[] = []
  readonly #values: string[] = []

  /** Also computes this one; before the first byte. */
  add(name: DigestName): void {
    const computed = name === 'MD5' ? 'md5' : name
    if (!this.#names.includes(computed)) this.#names.push(computed)
  }

  /** The body comes in pieces: `update` each, then `finish`. */
  start(): void {
    this.#running = this.#names.map((name) => createDigest(name))
  }

  update(bytes: Uint8Array): void {
    for (const digest of this.#running) digest.update(bytes)
  }

  finish(): void {
    for (const digest of this.#running) this.#values.push(digest.value())
  }

  /** The body is here, whole. */
  whole(bytes: Uint8Array): void {
    for (const name of this.#names) this.#values.push(digestOf(name, bytes))
  }

  /** `md5` in hex, the others in base64. */
  value(name: DigestName): string {
    const value = this.#values[this.#names.indexOf(name === 'MD5' ? 'md5' : name)]
    if (value === undefined)
      throw new Error(`the digest ${name} was not asked for, or is not finished`)
    return name === 'MD5' ? base64OfHex(value) : value
  }
}

export function base64OfHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}
