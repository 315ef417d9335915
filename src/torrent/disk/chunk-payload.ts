/** The body of a chunk on its way into an `S3Api` in this process: views of memory, one after the other. */
import type { DigestName, Payload, Taken } from '../../api/payload.ts'
import { createDigest, digestOf, type Digest } from '../../lib/digest.ts'
import type { Body } from '../../lib/stream.ts'

export class ChunkPayload implements Payload {
  readonly size: number
  /** The cheapest: it is there against faults, and the pieces have hashes of their own. */
  readonly claimed: Payload['claimed'] = { algorithm: 'CRC32' }
  readonly #views: readonly Uint8Array[]
  readonly #name: string
  readonly #digests = new Map<DigestName, Digest>()
  readonly #values = new Map<DigestName, string>()

  /** `name`: never the same for other bytes. */
  constructor(name: string, views: readonly Uint8Array[]) {
    this.#name = name
    this.#views = views
    this.size = views.reduce((sum, { length }) => sum + length, 0)
  }

  async take(inlineMax: number, digests: readonly DigestName[]): Promise<Taken> {
    for (const name of digests) if (name !== 'md5') this.#digests.set(name, createDigest(name))
    if (this.size > inlineMax) return this.#streamed()
    const bytes = Buffer.concat(this.#views)
    for (const digest of this.#digests.values()) digest.update(bytes)
    return bytes
  }

  /** An ETag needs no MD5, which would cost as much as all other hashes: `-0` says that it is none. */
  digest(name: DigestName): string {
    if (name === 'md5') return `${digestOf('md5', Buffer.from(this.#name))}-0`
    const value = this.#values.get(name) ?? this.#digests.get(name)?.value()
    if (value === undefined) throw new Error(`${name} was not asked for`)
    this.#values.set(name, value)
    return value
  }

  async *#streamed(): Body {
    for (const view of this.#views) {
      for (const digest of this.#digests.values()) digest.update(view)
      yield view
    }
  }
}
