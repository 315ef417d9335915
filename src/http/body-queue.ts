/**
 * A body between its source, which pushes, and its reader, which pulls. Holds about 1 MiB: beyond,
 * the source is asked to pause, and to go on once half of it is read.
 */
import type { Body } from '../lib/stream.ts'
import type { Source } from './body.ts'

const HELD_BYTES_MAX: number = 1024 ** 2
/** Chunks may be tiny; each costs memory of its own. */
const HELD_CHUNKS_MAX = 256

/** What is done with each chunk as it is read, and once all are; what `end` throws the reader gets. */
export interface Checks {
  chunk(bytes: Uint8Array): void
  end(): void
}

type Step = IteratorResult<Uint8Array, undefined>
const DONE: Step = { done: true, value: undefined }

export class BodyQueue implements Body, AsyncIterator<Uint8Array, undefined> {
  readonly #source: Source
  readonly #checks: Checks
  readonly #chunks: Uint8Array[] = []
  #heldBytes = 0
  #isPaused = false
  #state: 'open' | 'ended' | 'over' = 'open'
  #error: Error | undefined
  #resolve: ((step: Step) => void) | undefined
  #reject: ((error: Error) => void) | undefined

  constructor(source: Source, checks: Checks) {
    this.#source = source
    this.#checks = checks
  }

  push(chunk: Uint8Array): void {
    if (this.#state !== 'open') return
    const resolve = this.#resolve
    if (resolve !== undefined) {
      this.#resolve = undefined
      this.#checks.chunk(chunk)
      resolve({ done: false, value: chunk })
      return
    }
    this.#chunks.push(chunk)
    this.#heldBytes += chunk.length
    if (!this.#isPaused && this.#isFull(1)) {
      this.#isPaused = true
      this.#source.pause()
    }
  }

  /** All has been pushed. */
  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ended'
    const resolve = this.#resolve
    if (resolve === undefined) return
    try {
      this.#finish()
      resolve(DONE)
    } catch (error) {
      this.#reject!(error as Error)
    }
  }

  /** The reader gets the error at once; what was pushed before is of no use to anyone. */
  fail(error: Error): void {
    if (this.#state !== 'open') return
    this.#state = 'over'
    this.#drop()
    if (this.#resolve === undefined) this.#error = error
    else this.#reject!(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<Step> {
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) {
      this.#heldBytes -= chunk.length
      if (this.#isPaused && !this.#isFull(0.5)) {
        this.#isPaused = false
        this.#source.resume()
      }
      this.#checks.chunk(chunk)
      return { done: false, value: chunk }
    }
    if (this.#state === 'open') {
      return new Promise((resolve, reject) => {
        this.#resolve = resolve
        this.#reject = reject
      })
    }
    if (this.#error !== undefined) throw this.#error
    if (this.#state === 'ended') this.#finish()
    return DONE
  }

  async return(): Promise<Step> {
    if (this.#state === 'open') this.#source.stop()
    this.#state = 'over'
    this.#drop()
    return DONE
  }

  #finish(): void {
    this.#state = 'over'
    try {
      this.#checks.end()
    } catch (error) {
      this.#error = error as Error
      throw error
    }
  }

  #drop(): void {
    this.#chunks.length = 0
    this.#heldBytes = 0
  }

  #isFull(share: number): boolean {
    return this.#heldBytes > HELD_BYTES_MAX * share || this.#chunks.length > HELD_CHUNKS_MAX * share
  }
}
