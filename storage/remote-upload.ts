/**
 * One blob on its way to a service: in one request where it fits into a part, else in parts of which a
 * few are on their way at a time. Each goes with its checksum, made as the bytes came in.
 *
 * Nothing shows before `finish`; whoever does not come to it calls `abort`, which leaves nothing.
 */
import { createDigest, type Digest } from '../src/lib/digest.ts'
import { decided, type Part, type Parts, type RemoteService } from './remote-service.ts'
import type { BlobId } from './store.ts'

export class Upload {
  readonly #service: RemoteService
  readonly #id: BlobId
  readonly #size: number | undefined
  readonly #ending = new AbortController()
  /** Ends the parts on their way: the caller's, or `abort`. */
  readonly #signal: AbortSignal
  #digest: Digest
  #filling: Buffer | undefined
  #filled = 0
  #parts: Parts | undefined
  #sentParts = 0
  #sentBytes = 0
  readonly #flying = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  /** `size`: bytes to come, where known. */
  constructor(
    service: RemoteService,
    id: BlobId,
    size: number | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#service = service
    this.#id = id
    this.#size = size
    this.#digest = createDigest(service.checksum)
    const ending = this.#ending.signal
    this.#signal = signal === undefined ? ending : AbortSignal.any([signal, ending])
  }

  /**
   * Takes the chunk in; it may be reused once this returns, or once the promise that it returns
   * resolves. Never more than `size` bytes in all.
   */
  add(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#filling === undefined || chunk.length > this.#room()) return this.#addOver(chunk)
    this.#copy(chunk)
    return undefined
  }

  /** Makes the blob visible; all of it is stored once this resolves. */
  async finish(): Promise<void> {
    if (this.#parts === undefined) {
      const bytes = this.#filling?.subarray(0, this.#filled) ?? new Uint8Array(0)
      const checksum = this.#digest.value()
      const call = this.#service.putWhole(this.#id, bytes, checksum, this.#signal)
      await decided(this.#service, this.#id, call)
      this.#giveBack()
      return
    }
    await this.#sendPart(true)
    while (this.#flying.size > 0) await Promise.race(this.#flying)
    this.#throwIfFailed()
    this.#signal.throwIfAborted()
    await decided(this.#service, this.#id, this.#parts.complete())
  }

  /** Lets everything go. */
  async abort(): Promise<void> {
    this.#giveBack()
    this.#ending.abort()
    await Promise.all(this.#flying)
    await this.#parts?.abort()
  }

  #partLimit(): number {
    return this.#service.partBytes(this.#sentParts + 1, this.#size)
  }

  #room(): number {
    return Math.min(this.#filling?.length ?? 0, this.#partLimit()) - this.#filled
  }

  #copy(bytes: Uint8Array): void {
    this.#digest.update(bytes)
    this.#filling?.set(bytes, this.#filled)
    this.#filled += bytes.length
  }

  async #addOver(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      if (this.#filling === undefined) await this.#takeBuffer()
      if (this.#room() === 0) {
        // A full part is sent when there is more to come: what fits into one goes without.
        await this.#sendPart(false)
        continue
      }
      const some = chunk.subarray(at, at + this.#room())
      this.#copy(some)
      at += some.length
    }
  }

  async #takeBuffer(): Promise<void> {
    const limit = this.#partLimit()
    const rest = this.#size === undefined ? limit : this.#size - this.#sentBytes
    this.#filling = await this.#service.memory.take(
      Math.min(limit, rest),
      () => this.#flying.size > 0,
      this.#signal,
    )
  }

  #giveBack(): void {
    if (this.#filling !== undefined) this.#service.memory.give(this.#filling)
    this.#filling = undefined
    this.#filled = 0
  }

  async #sendPart(isLast: boolean): Promise<void> {
    if (this.#filling === undefined) return
    this.#parts ??= await this.#begin()
    while (this.#flying.size >= this.#service.partsAtOnce) await Promise.race(this.#flying)
    this.#throwIfFailed()
    this.#signal.throwIfAborted()
    const buffer = this.#filling
    const part: Part = {
      number: (this.#sentParts += 1),
      startByte: this.#sentBytes,
      bytes: buffer.subarray(0, this.#filled),
      checksum: this.#checksum(isLast),
      isLast,
    }
    this.#filling = undefined
    this.#filled = 0
    this.#sentBytes += part.bytes.length
    const flight: Promise<void> = this.#fly(this.#parts, part).finally(() => {
      this.#flying.delete(flight)
      this.#service.memory.give(buffer)
    })
    this.#flying.add(flight)
  }

  #checksum(isLast: boolean): string | undefined {
    const { checksum, checksumSpan } = this.#service
    if (checksumSpan === 'blob' && !isLast) return undefined
    const value = this.#digest.value()
    this.#digest = createDigest(checksum)
    return value
  }

  /** Never rejects: whoever looks next meets the failure. */
  async #fly(parts: Parts, part: Part): Promise<void> {
    try {
      await parts.send(part, this.#signal)
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Not ended by the signal: an upload that was begun all the same would stay. */
  async #begin(): Promise<Parts> {
    this.#parts = await this.#service.beginParts(this.#id)
    this.#signal.throwIfAborted()
    return this.#parts
  }
}
