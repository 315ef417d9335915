/**
 * What all bodies on their way in share: the slabs that they are gathered in, bounded, and the threads
 * that hash the long ones.
 */
import { availableParallelism } from 'node:os'
import { BufferPool, sharedBuffer } from '../lib/buffer-pool.ts'
import { HashWorkers } from '../lib/hash-workers.ts'

/** Large enough that a slab's events cost nothing beside its bytes, small enough for the cache. */
const LARGE_BYTES: number = 1024 ** 2
const SMALL_BYTES: number = 64 * 1024
/**
 * So many are out at most (32 MiB), and all of them are kept for their next use: to let one go and make
 * another is what costs memory, until the garbage collector comes (measured: 400 MiB). Beyond, bodies go
 * on in small ones: slower, but all of them.
 */
const LARGE_MAX = 32
/** Small ones are kept up to 4 MiB. */
const SMALL_KEPT_MAX = 64
/** With this many out no body takes more than it needs to go on. */
const MANY = 12
/** Slabs of one body: one fills, one is read, the others wait for their reader or their digest. */
const OF_ONE_MAX = 4
const OF_ONE_OF_MANY_MAX = 2
/** Threads that hash: more than these are no use to one loop. */
const THREADS_MAX = 4

/** The slabs of one kind of memory. */
export class Slabs {
  readonly #large: BufferPool
  readonly #small: BufferPool

  constructor(make?: (sizeBytes: number) => Buffer) {
    this.#large = new BufferPool(LARGE_BYTES, LARGE_MAX, make)
    this.#small = new BufferPool(SMALL_BYTES, SMALL_KEPT_MAX, make)
  }

  /** How many one body may hold now. */
  get ofOneMax(): number {
    return this.#large.lent < MANY ? OF_ONE_MAX : OF_ONE_OF_MANY_MAX
  }

  /** How many are out; all of them come back once the bodies are over. */
  get lent(): number {
    return this.#large.lent + this.#small.lent
  }

  /** One for a body of so many bytes in all (Infinity where that is unknown). */
  take(bodyBytes: number): Buffer {
    const isSmall = bodyBytes <= SMALL_BYTES || this.#large.lent >= LARGE_MAX
    return isSmall ? this.#small.take() : this.#large.take()
  }

  give(slab: Buffer): void {
    if (slab.length === LARGE_BYTES) this.#large.give(slab)
    else this.#small.give(slab)
  }
}

export class Intake implements Disposable {
  /** For bodies that the loop hashes itself; for those that threads hash (filling these costs twice as much). */
  readonly own: Slabs = new Slabs()
  readonly shared: Slabs = new Slabs(sharedBuffer)
  /** None is started before the first long body comes. */
  readonly threads: HashWorkers = new HashWorkers(Math.min(availableParallelism(), THREADS_MAX))

  /** Slabs that are out: none, once the bodies are over. */
  get lent(): number {
    return this.own.lent + this.shared.lent
  }

  /** Ends the threads; bodies that they hash fail. */
  [Symbol.dispose](): void {
    this.threads[Symbol.dispose]()
  }
}
