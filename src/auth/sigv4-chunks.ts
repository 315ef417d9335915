/**
 * Signatures of the chunks of a signed stream (AWS: "Transferring payload in multiple chunks"): each
 * covers the one before it, and the first covers the request's own, so that no chunk can be dropped,
 * repeated or moved.
 */
import type { ChunkSigner } from './authenticator.ts'
import type { Scope } from './credentials.ts'

/** With what a chain begins. */
export interface ChunkSeed {
  readonly scope: Pick<Scope, 'key' | 'text'>
  /** Time of the request, `YYYYMMDD'T'HHMMSS'Z'`. */
  readonly stamp: string
  /** Signature of the request. */
  readonly signature: string
}

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

export class SigV4ChunkSigner implements ChunkSigner {
  readonly #key: ChunkSeed['scope']['key']
  /** What the strings to sign have in common. */
  readonly #origin: string
  #previous: string

  constructor({ scope, stamp, signature }: ChunkSeed) {
    this.#key = scope.key
    this.#origin = `\n${stamp}\n${scope.text}\n`
    this.#previous = signature
  }

  chunk(sha256Hex: string): string {
    return this.#sign(
      `AWS4-HMAC-SHA256-PAYLOAD${this.#origin}${this.#previous}\n${EMPTY_SHA256}\n${sha256Hex}`,
    )
  }

  trailer(sha256Hex: string): string {
    return this.#sign(`AWS4-HMAC-SHA256-TRAILER${this.#origin}${this.#previous}\n${sha256Hex}`)
  }

  #sign(text: string): string {
    this.#previous = this.#key.sign(text)
    return this.#previous
  }
}
