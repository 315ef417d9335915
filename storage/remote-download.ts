/**
 * A blob, or a range of it, on its way from a service: one buffer in the reader's hands, the other
 * being filled; while both are full the connection waits.
 *
 * What was promised comes whole or ends in an error. A connection that breaks, or on which nothing
 * moves, is taken up again at the byte that was reached, of the same object (its tag); where that does
 * not help, the error is `StoreUnavailable`. The connection is let go at `return`, at an error and at
 * an abort.
 */
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { BlobMissing, StoreUnavailable } from '../src/lib/store-error.ts'
import type { Body } from '../src/lib/stream.ts'
import type { LentBuffers } from './lent-buffers.ts'
import type { Download, RemoteService } from './remote-service.ts'
import type { BlobId, ByteRange } from './store.ts'

/** Connections that break one after the other without a chunk between them. */
const BREAKS_MAX = 5
/** Before the second try; doubles, with jitter. */
const BREAK_WAIT_MS = 50

/** Asks for the blob and waits for its first chunk. Without a range: all of it. */
export async function openDownload(
  service: RemoteService,
  id: BlobId,
  range: ByteRange | undefined,
  buffers: LentBuffers,
  signal: AbortSignal | undefined,
): Promise<Body> {
  const body = new RemoteBody(service, id, range, buffers, signal)
  await body.begin()
  return body
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined }

class RemoteBody implements AsyncIterableIterator<Uint8Array> {
  readonly #service: RemoteService
  readonly #id: BlobId
  readonly #buffers: LentBuffers
  readonly #signal: AbortSignal | undefined
  /** Where the next byte from the connection belongs. */
  #position: number
  /** Where the last one ends; Infinity while nobody knows. */
  #end: number
  #tag: string | undefined
  #stream: Readable | undefined
  /** Why the last connection broke. */
  #broken: unknown
  #breaks = 0
  /** The buffer in the reader's hands, and the one that is being filled or waits for the reader. */
  #lent: Buffer | undefined
  #filling: Buffer | undefined
  #filled = 0
  /** Came with what filled the buffer, and has no place yet. */
  #rest: Uint8Array | undefined
  #wake: (() => void) | undefined
  /** Set while somebody waits for bytes. */
  #idle: NodeJS.Timeout | undefined
  #isOver = false

  constructor(
    service: RemoteService,
    id: BlobId,
    range: ByteRange | undefined,
    buffers: LentBuffers,
    signal: AbortSignal | undefined,
  ) {
    this.#service = service
    this.#id = id
    this.#buffers = buffers
    this.#signal = signal
    this.#position = range?.start ?? 0
    this.#end = range?.end ?? Infinity
  }

  /** Rejects with everything released. */
  async begin(): Promise<void> {
    this.#signal?.addEventListener('abort', this.#onAbort)
    try {
      await this.#connect()
      await this.#untilChunk()
    } catch (error) {
      await this.return()
      throw error
    }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    this.#giveBack()
    if (this.#isOver) return END
    try {
      await this.#untilChunk()
    } catch (error) {
      await this.return()
      throw error
    }
    if (this.#isOver || this.#filled === 0) return this.return()
    const buffer = this.#filling!
    const chunk = buffer.subarray(0, this.#filled)
    this.#lent = buffer
    this.#filling = undefined
    this.#filled = 0
    this.#goOn()
    return { done: false, value: chunk }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#isOver = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#disconnect()
    this.#giveBack()
    if (this.#filling !== undefined) this.#buffers.give(this.#filling)
    this.#filling = undefined
    this.#filled = 0
    this.#wake?.()
    return END
  }

  /** The reader may be busy for long: the connection is not held for it. */
  readonly #onAbort = (): void => {
    this.#disconnect()
    this.#wake?.()
  }

  #giveBack(): void {
    if (this.#lent !== undefined) this.#buffers.give(this.#lent)
    this.#lent = undefined
  }

  /** Waits until a buffer is full, or holds the last bytes. Connections that break on the way are replaced. */
  async #untilChunk(): Promise<void> {
    for (;;) {
      this.#signal?.throwIfAborted()
      if (this.#isOver || this.#isFull() || this.#position >= this.#end) return
      if (this.#stream === undefined) await this.#connectAgain()
      else await this.#moved(this.#stream)
    }
  }

  /** Waits for whatever comes next; a stream that stands still for too long is broken. */
  async #moved(stream: Readable): Promise<void> {
    const stalled = new Error('nothing came any more')
    const idle = setTimeout(() => stream.destroy(stalled), this.#service.idleTimeoutMs)
    this.#idle = idle
    await new Promise<void>((resolve) => (this.#wake = resolve))
    clearTimeout(idle)
    this.#idle = undefined
  }

  #isFull(): boolean {
    return this.#filling !== undefined && this.#filled === this.#filling.length
  }

  async #connectAgain(): Promise<void> {
    this.#breaks += 1
    if (this.#breaks > BREAKS_MAX) {
      const cause = this.#broken
      const why = `the connection broke ${BREAKS_MAX} times at byte ${this.#position}`
      throw new StoreUnavailable(`blob ${this.#id}: ${why}`, { cause })
    }
    if (this.#breaks > 1)
      await sleep(BREAK_WAIT_MS * 2 ** (this.#breaks - 1) * (0.5 + Math.random() / 2))
    if (!this.#isOver) await this.#connect()
  }

  async #connect(): Promise<void> {
    const download = await this.#ask()
    const { stream } = download
    // Errors that come when nobody looks any more are nobody's.
    stream.on('error', () => {})
    if (this.#isOver || this.#signal?.aborted === true) {
      stream.destroy()
      return
    }
    try {
      this.#check(download)
    } catch (error) {
      stream.destroy()
      throw error
    }
    this.#stream = stream
    const broke = (error?: unknown): void => {
      if (this.#stream !== stream) return
      this.#broken = error ?? this.#broken
      this.#stream = undefined
      stream.destroy()
      this.#wake?.()
    }
    stream.on('error', broke)
    stream.on('close', broke)
    stream.on('end', broke)
    if (stream.destroyed) broke(stream.errored)
    else stream.on('data', (chunk: Buffer) => this.#stream === stream && this.#onData(chunk))
  }

  async #ask(): Promise<Download> {
    const start = this.#position
    const end = this.#end === Infinity ? undefined : this.#end
    try {
      return await this.#service.ask(this.#id, { start, end, tag: this.#tag }, this.#signal)
    } catch (error) {
      throw this.#service.translated(`blob ${this.#id}`, error, this.#signal)
    }
  }

  /** The answer must be the bytes that were asked for, all of them. */
  #check({ start, length, tag }: Download): void {
    if (!Number.isSafeInteger(length)) throw new Error(`blob ${this.#id} comes without its length`)
    if (start !== this.#position)
      throw new Error(`blob ${this.#id} comes from byte ${start}, not ${this.#position}`)
    const end = start + length
    if (this.#end === Infinity) this.#end = end
    if (end < this.#end)
      throw new BlobMissing(`blob ${this.#id} ends at byte ${end}, not ${this.#end}`)
    if (end > this.#end) throw new Error(`blob ${this.#id}: more bytes come than were asked for`)
    this.#tag = tag
  }

  #onData(chunk: Uint8Array): void {
    this.#idle?.refresh()
    this.#filling ??= this.#buffers.take(this.#end - this.#position)
    const taken = chunk.subarray(0, this.#filling.length - this.#filled)
    this.#filling.set(taken, this.#filled)
    this.#filled += taken.length
    this.#position += taken.length
    if (taken.length < chunk.length) this.#rest = chunk.subarray(taken.length)
    if (this.#isFull()) {
      this.#breaks = 0
      // The end is not waited for by anybody: the connection is free once it has come.
      if (this.#position < this.#end) this.#stream?.pause()
    }
    if (this.#isFull() || this.#position === this.#end) this.#wake?.()
  }

  /** A buffer is free again: what came beyond the last one, then the connection. */
  #goOn(): void {
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.#onData(rest)
    if (!this.#isFull()) this.#stream?.resume()
  }

  #disconnect(): void {
    const stream = this.#stream
    this.#stream = undefined
    this.#rest = undefined
    if (stream?.readableEnded === false) stream.destroy()
  }
}
