/**
 * A payload of bytes that are at hand in this process: for callers that speak to an `S3Api` without
 * HTTP. A claimed checksum is verified just as one that came over the wire.
 */
import { createDigest, digestOf, type Digest } from '../lib/digest.ts'
import type { Body } from '../lib/stream.ts'
import { takeUpTo } from '../lib/take.ts'
import { watched } from '../lib/watched.ts'
import { S3Error } from './error.ts'
import type { DigestName, Payload, Taken } from './payload.ts'

/** A long body that is in memory is handed on in pieces of this many bytes, so that no one hogs the loop. */
const PIECE_BYTES = 1024 ** 2

/** The bytes as a payload. Of a Body the size is unknown beforehand. */
export function payloadOf(bytes: Uint8Array | Body, claimed?: Payload['claimed']): Payload {
  return new LocalPayload(bytes, claimed)
}

class LocalPayload implements Payload {
  readonly size: number | undefined
  readonly claimed: Payload['claimed']
  readonly #bytes: Uint8Array | Body
  /** What was asked for, once the bytes have come. */
  readonly #values = new Map<DigestName, string>()
  #isTaken = false

  constructor(bytes: Uint8Array | Body, claimed: Payload['claimed']) {
    this.#bytes = bytes
    this.size = bytes instanceof Uint8Array ? bytes.length : undefined
    this.claimed = claimed
  }

  async take(inlineMax: number, digests: readonly DigestName[]): Promise<Taken> {
    if (this.#isTaken) throw new Error('a payload is taken once')
    this.#isTaken = true
    const names = new Set(digests)
    if (this.claimed?.value !== undefined) names.add(this.claimed.algorithm)
    const taken = await this.#begin(inlineMax)
    return taken instanceof Uint8Array ? this.#whole(taken, names) : this.#streamed(taken, names)
  }

  digest(name: DigestName): string {
    const value = this.#values.get(name)
    if (value === undefined)
      throw new Error(`${name} was not asked for, or bytes are still to come`)
    return value
  }

  async #begin(inlineMax: number): Promise<Taken> {
    if (!(this.#bytes instanceof Uint8Array)) return takeUpTo(this.#bytes, inlineMax)
    return this.#bytes.length <= inlineMax ? this.#bytes : pieces(this.#bytes)
  }

  #whole(bytes: Uint8Array, names: ReadonlySet<DigestName>): Uint8Array {
    for (const name of names) this.#values.set(name, digestOf(name, bytes))
    this.#verify()
    return bytes
  }

  #streamed(body: Body, names: ReadonlySet<DigestName>): Body {
    const digests = [...names].map((name): [DigestName, Digest] => [name, createDigest(name)])
    return watched(
      body,
      (chunk) => {
        for (const [, digest] of digests) digest.update(chunk)
      },
      () => {
        for (const [name, digest] of digests) this.#values.set(name, digest.value())
        this.#verify()
      },
    )
  }

  #verify(): void {
    if (this.claimed?.value === undefined) return
    const { algorithm, value } = this.claimed
    if (this.#values.get(algorithm) === value) return
    throw new S3Error('BadDigest', {
      message: `The ${algorithm} you specified did not match the calculated checksum.`,
    })
  }
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES)
}
