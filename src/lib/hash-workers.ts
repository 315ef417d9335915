/**
 * Digests of long bodies, computed beside the event loop: MD5 of a GiB is a second of CPU, which the
 * loop would otherwise take from all the other requests.
 *
 * Nothing is copied: the bytes lie in shared memory, and the caller leaves them as they are until they
 * are hashed. Who bounds the slabs bounds the memory. A short body is cheaper hashed where it is: a
 * round trip costs some 50 us.
 */
import { AskedThread } from './asked-thread.ts'
import type { Algorithm } from './digest.ts'
import type { Answer, Order } from './hash-worker.ts'

/** Threads that may be lost before the loop does the work for good: where they cannot live. */
const LOST_MAX = 8

/** All that a thread makes is messages; with room for more it would let them lie. */
const LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 }

/** Digests of one stream, under way in a thread. Ends with `values` or `drop`. */
export interface WorkerDigest {
  /** Resolves once the bytes (in shared memory) are hashed and may change. Calls need not wait for each other. */
  update(bytes: Uint8Array): Promise<void>
  /** The digests of all bytes, as `createDigest` gives them, in the order of the algorithms. */
  values(): Promise<readonly string[]>
  /** Nobody wants to know any more. */
  drop(): void
}

/** A few threads that hash, each started when there is work for it; a stream goes to the idlest. */
export class HashWorkers implements Disposable {
  readonly #countMax: number
  #threads: readonly Thread[] = []
  #lost = 0
  #isClosed = false

  /** `countMax` is at least 1; a core each is the most that helps. */
  constructor(countMax: number) {
    this.#countMax = countMax
  }

  /** One digest per algorithm, all over the same bytes. Undefined where no thread can be had. */
  begin(algorithms: readonly Algorithm[]): WorkerDigest | undefined {
    // A thread that died took its streams with it; those to come get a new one.
    const alive = this.#threads.filter((thread) => !thread.hasFailed)
    this.#lost += this.#threads.length - alive.length
    if (this.#isClosed || this.#lost > LOST_MAX) return undefined
    const isBusy = alive.every((thread) => thread.streams > 0)
    if (isBusy && alive.length < this.#countMax) alive.push(new Thread())
    this.#threads = alive
    return alive.reduce((a, b) => (b.streams < a.streams ? b : a)).begin(algorithms)
  }

  /** Streams under way fail. */
  [Symbol.dispose](): void {
    this.#isClosed = true
    for (const thread of this.#threads) thread.stop()
  }
}

class Thread extends AskedThread<Order, Answer> {
  /** Streams under way. */
  streams = 0
  #lastStream = 0

  constructor() {
    super('hash worker', new URL('hash-worker.ts', import.meta.url), LIMITS)
  }

  begin(algorithms: readonly Algorithm[]): Stream {
    this.streams += 1
    this.#lastStream += 1
    this.tell({ kind: 'begin', stream: this.#lastStream, algorithms })
    return new Stream(this, this.#lastStream)
  }
}

class Stream implements WorkerDigest {
  readonly #thread: Thread
  readonly #id: number
  #isOver = false

  constructor(thread: Thread, id: number) {
    this.#thread = thread
    this.#id = id
  }

  async update(bytes: Uint8Array): Promise<void> {
    await this.#thread.ask({ kind: 'bytes', stream: this.#id, bytes })
  }

  async values(): Promise<readonly string[]> {
    if (this.#isOver) throw new Error('a digest that has ended')
    this.#over()
    return (await this.#thread.ask({ kind: 'end', stream: this.#id })) ?? []
  }

  drop(): void {
    if (this.#isOver) return
    this.#over()
    this.#thread.tell({ kind: 'drop', stream: this.#id })
  }

  #over(): void {
    this.#isOver = true
    this.#thread.streams -= 1
  }
}
