/**
 * The digests of one body, each computed once whoever asks for it and in whatever spelling: of a body that
 * is here in one go; of a longer one in another thread, but for what is so cheap that it is no use there.
 */
import { S3Error } from '../api/error.ts'
import type { DigestName } from '../api/payload.ts'
import { createDigest, digestOf, type Digest } from '../lib/digest.ts'
import type { HashWorkers, WorkerDigest } from '../lib/hash-workers.ts'

/** MD5 serves both `md5` (hex, the ETag) and `MD5` (base64, the checksum). */
type Computed = Exclude<DigestName, 'MD5'>

/** Ten times as fast as the others: 0.1 ms a MiB. */
const CHEAP: ReadonlySet<Computed> = new Set(['CRC32', 'CRC32C'])

export class BodyDigests {
  readonly #names: Computed[] = []
  #running: readonly Digest[] = []
  #elsewhere: WorkerDigest | undefined
  #isBegun = false
  #values: readonly string[] = []

  /** Also computes this one; before the first byte. */
  add(name: DigestName): void {
    const computed = name === 'MD5' ? 'md5' : name
    if (!this.#names.includes(computed)) this.#names.push(computed)
  }

  /**
   * The body comes in pieces: `update` each, then `finish`; or `drop`. The bytes, in shared memory, stay as
   * they are until the promise is settled; it rejects with the `S3Error` where the thread was lost.
   */
  update(bytes: Uint8Array, threads: HashWorkers): Promise<void> | undefined {
    if (!this.#isBegun) this.#begin(threads)
    if (this.#elsewhere !== undefined) return this.#elsewhere.update(bytes).catch(threadLost)
    for (const digest of this.#running) digest.update(bytes)
    return undefined
  }

  async finish(): Promise<void> {
    if (this.#elsewhere !== undefined) {
      this.#values = await this.#elsewhere.values().catch(threadLost)
    } else if (this.#isBegun) this.#values = this.#running.map((digest) => digest.value())
  }

  drop(): void {
    this.#elsewhere?.drop()
  }

  /** The body is here, whole. */
  whole(bytes: Uint8Array): void {
    this.#values = this.#names.map((name) => digestOf(name, bytes))
  }

  /** `md5` in hex, the others in base64. */
  value(name: DigestName): string {
    const value = this.#values[this.#names.indexOf(name === 'MD5' ? 'md5' : name)]
    if (value === undefined)
      throw new Error(`the digest ${name} was not asked for, or is not finished`)
    return name === 'MD5' ? base64OfHex(value) : value
  }

  /** True where a long body is for the threads; once all are added. */
  get isDear(): boolean {
    return !this.#names.every((name) => CHEAP.has(name))
  }

  #begin(threads: HashWorkers): void {
    this.#isBegun = true
    if (this.isDear) {
      this.#elsewhere = threads.begin(this.#names)
    }
    if (this.#elsewhere === undefined) {
      this.#running = this.#names.map((name) => createDigest(name))
    }
  }
}

/** What was hashed there is lost with the thread; the client sends the body again, to another one. */
function threadLost(cause: unknown): never {
  throw new S3Error('SlowDown', { cause })
}

export function base64OfHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}
