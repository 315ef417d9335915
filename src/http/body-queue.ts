/**
 * A body between its source, which pushes, and its reader, which pulls.
 *
 * What is pushed is gathered in slabs of 1 MiB, and the reader gets whole slabs: what a long body costs
 * is its events and its fresh memory, not copying. A slab is checked (hashed) while it waits to be read and
 * while it is read, and used again once both are done. With a few slabs out the source is asked to pause.
 */
import type { Body } from '../lib/stream.ts'
import type { Source } from './body.ts'
import type { Slabs } from './intake.ts'

/** What is done with the bytes on their way; what it throws or rejects with, the reader gets. */
export interface Checks {
  /** The bytes stay as they are until the promise is settled. `isOnly`: they are the whole body. */
  chunk(bytes: Uint8Array, isOnly: boolean): Promise<void> | undefined
  /** All bytes have come. */
  end(): Promise<void>
  /** No more will come, and nobody asks any more. */
  drop(): void
}

type Step = IteratorResult<Uint8Array, undefined>
const DONE: Step = { done: true, value: undefined }

/** A slab that is full, or the last one. */
interface Sealed {
  readonly slab: Buffer
  readonly bytes: Uint8Array
  /** What still looks at it: the reader, the checks. */
  users: number
}

export class BodyQueue implements Body, AsyncIterator<Uint8Array, undefined> {
  readonly #source: Source
  readonly #slabs: Slabs
  readonly #sizeHint: number
  readonly #checks: Checks
  #filling: Buffer | undefined
  #filled = 0
  /** For the reader; in order. */
  readonly #sealed: Sealed[] = []
  #lent: Sealed | undefined
  /** Slabs sealed and not yet given back. */
  #out = 0
  #isFirst = true
  #isPaused = false
  #state: 'open' | 'ended' | 'over' = 'open'
  #error: Error | undefined
  #waiting: PromiseWithResolvers<Step> | undefined

  /** `sizeHint`: bytes to expect, or Infinity. */
  constructor(source: Source, slabs: Slabs, sizeHint: number, checks: Checks) {
    this.#source = source
    this.#slabs = slabs
    this.#sizeHint = sizeHint
    this.#checks = checks
  }

  /** Takes the chunk in; its memory is free once this returns. */
  push(chunk: Uint8Array): void {
    let rest = chunk
    while (rest.length > 0 && this.#state === 'open') {
      this.#filling ??= this.#slabs.take(this.#sizeHint)
      const room = this.#filling.length - this.#filled
      if (rest.length < room) {
        this.#filling.set(rest, this.#filled)
        this.#filled += rest.length
        return
      }
      this.#filling.set(rest.length === room ? rest : rest.subarray(0, room), this.#filled)
      this.#filled += room
      rest = rest.subarray(room)
      this.#seal(false)
    }
  }

  /** All has been pushed. */
  end(): void {
    if (this.#state !== 'open') return
    if (this.#filled > 0) this.#seal(this.#isFirst)
    // A check may have failed meanwhile.
    if (this.#state !== 'open') return
    this.#state = 'ended'
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    this.#finish().then(waiting.resolve, waiting.reject)
  }

  /** The reader gets the error at once; what was pushed before is of no use to anyone. */
  fail(error: Error): void {
    if (this.#state === 'over') return
    this.#over()
    this.#error = error
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<Step> {
    this.#takeBack()
    const sealed = this.#sealed.shift()
    if (sealed !== undefined) {
      this.#lent = sealed
      return { done: false, value: sealed.bytes }
    }
    if (this.#error !== undefined) throw this.#error
    if (this.#state === 'ended') return this.#finish()
    if (this.#state === 'over') return DONE
    this.#waiting = Promise.withResolvers<Step>()
    return this.#waiting.promise
  }

  async return(): Promise<Step> {
    if (this.#state === 'open') this.#source.stop()
    this.#takeBack()
    if (this.#state !== 'over') this.#over()
    this.#waiting?.resolve(DONE)
    this.#waiting = undefined
    return DONE
  }

  /** Hands what has been gathered to the checks, and to the reader in its turn. */
  #seal(isOnly: boolean): void {
    const slab = this.#filling!
    const bytes = slab.subarray(0, this.#filled)
    const sealed: Sealed = { slab, bytes, users: 1 }
    this.#filling = undefined
    this.#filled = 0
    this.#isFirst = false
    this.#out += 1
    const checked = this.#checks.chunk(bytes, isOnly)
    if (checked !== undefined) {
      sealed.users += 1
      checked.then(
        () => this.#leave(sealed),
        (error: Error) => {
          this.#leave(sealed)
          this.#break(error)
        },
      )
    }
    if (!this.#isPaused && this.#out >= this.#slabs.ofOneMax - 1) {
      this.#isPaused = true
      this.#source.pause()
    }
    const waiting = this.#waiting
    if (waiting === undefined) {
      this.#sealed.push(sealed)
      return
    }
    this.#waiting = undefined
    this.#lent = sealed
    waiting.resolve({ done: false, value: bytes })
  }

  /** The reader is done with the slab that it has. */
  #takeBack(): void {
    if (this.#lent !== undefined) this.#leave(this.#lent)
    this.#lent = undefined
  }

  #leave(sealed: Sealed): void {
    sealed.users -= 1
    if (sealed.users > 0) return
    this.#slabs.give(sealed.slab)
    this.#out -= 1
    if (this.#isPaused && this.#state === 'open' && this.#out < this.#slabs.ofOneMax - 1) {
      this.#isPaused = false
      this.#source.resume()
    }
  }

  /** A check failed in the midst of it. */
  #break(error: Error): void {
    if (this.#state === 'open') this.#source.stop()
    this.fail(error)
  }

  async #finish(): Promise<Step> {
    try {
      await this.#checks.end()
    } catch (error) {
      this.#error = error as Error
      throw error
    } finally {
      this.#state = 'over'
    }
    return DONE
  }

  #over(): void {
    this.#state = 'over'
    this.#checks.drop()
    if (this.#filling !== undefined) this.#slabs.give(this.#filling)
    this.#filling = undefined
    this.#filled = 0
    for (const sealed of this.#sealed.splice(0)) this.#leave(sealed)
  }
}
