/**
 * A blob, or a range of it, on its way out of the bucket: one buffer in the reader's hands, the other
 * being filled; while both are full the connection waits.
 *
 * What was promised comes whole or ends in an error. A connection that breaks is taken up again at the
 * byte that was reached, of the same object (`If-Match`); where that does not help, the error is
 * `StoreUnavailable`. The connection is let go at `return`, at an error and at an abort.
 */
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { BlobMissing, StoreUnavailable } from '../src/lib/store-error.ts'
import type { Body } from '../src/lib/stream.ts'
import type { LentBuffers } from './lent-buffers.ts'
import type { Bucket } from './s3-bucket.ts'
import { translated } from './s3-errors.ts'
import type { BlobId, ByteRange } from './store.ts'

/** Connections that break one after the other without a chunk between them. */
const BREAKS_MAX = 5
/** Before the second try; doubles, with jitter. */
const BREAK_WAIT_MS = 50

/** Asks for the blob and waits for its first chunk. Without a range: all of it. */
export async function openObject(
  bucket: Bucket,
  id: BlobId,
  range: ByteRange | undefined,
  buffers: LentBuffers,
  signal: AbortSignal | undefined,
): Promise<Body> {
  const body = new ObjectBody(bucket, id, range, buffers, signal)
  await body.begin()
  return body
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined }

class ObjectBody implements AsyncIterableIterator<Uint8Array> {
  readonly #bucket: Bucket
  readonly #id: BlobId
  readonly #buffers: LentBuffers
  readonly #signal: AbortSignal | undefined
  /** Where the next byte from the connection belongs. */
  #position: number
  /** Where the last one ends; Infinity while nobody knows. */
  #end: number
  #etag: string | undefined
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
  #isOver = false

  constructor(
    bucket: Bucket,
    id: BlobId,
    range: ByteRange | undefined,
    buffers: LentBuffers,
    signal: AbortSignal | undefined,
  ) {
    this.#bucket = bucket
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
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
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
    const output = await this.#ask()
    const stream = output.Body as Readable
    // Errors that come when nobody looks any more are nobody's.
    stream.on('error', () => {})
    if (this.#isOver || this.#signal?.aborted === true) {
      stream.destroy()
      return
    }
    try {
      this.#check(output)
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

  async #ask(): Promise<GetObjectCommandOutput> {
    const last = this.#end === Infinity ? '' : String(this.#end - 1)
    const isWhole = this.#position === 0 && this.#end === Infinity
    const command = new GetObjectCommand({
      ...this.#bucket.at(this.#id),
      ...(isWhole ? {} : { Range: `bytes=${this.#position}-${last}` }),
      ...(this.#etag === undefined ? {} : { IfMatch: this.#etag }),
    })
    const options = this.#signal === undefined ? {} : { abortSignal: this.#signal }
    try {
      return await this.#bucket.client.send(command, options)
    } catch (error) {
      throw translated(this.#bucket, `blob ${this.#id}`, error, this.#signal)
    }
  }

  /** The answer must be the bytes that were asked for, all of them. */
  #check({ ContentLength: length, ContentRange: range, ETag }: GetObjectCommandOutput): void {
    if (length === undefined) throw new Error(`blob ${this.#id} comes without its length`)
    const isPart = range !== undefined
    if (isPart ? !range.startsWith(`bytes ${this.#position}-`) : this.#position > 0)
      throw new Error(`blob ${this.#id} comes from another byte than ${this.#position}: ${range}`)
    const end = this.#position + length
    if (this.#end === Infinity) this.#end = end
    if (end < this.#end)
      throw new BlobMissing(`blob ${this.#id} ends at byte ${end}, not ${this.#end}`)
    if (end > this.#end) throw new Error(`blob ${this.#id}: more bytes come than were asked for`)
    this.#etag = ETag
  }

  #onData(chunk: Uint8Array): void {
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
