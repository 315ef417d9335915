/**
 * Digests of large bodies, computed beside the event loop: MD5 of a GiB is a second of CPU, which
 * the loop would otherwise take from all the other requests.
 *
 * Bytes are copied into a slab of memory shared with a worker (0.1 s a GiB) and hashed there while
 * the loop goes on. Memory is bounded: 16 slabs of 1 MiB a worker; when all are in use `update` asks
 * its caller to wait. A small body is cheaper hashed where it is: a round trip costs some 50 us.
 */
import { Worker } from 'node:worker_threads'
import type { Algorithm } from './digest.ts'
import type { Answer, Order, WorkerMemory } from './hash-worker.ts'

const SLAB_BYTES = 1024 ** 2
const SLABS = 16

/** Digests of one stream, under way in a worker. Ends with `values` or `drop`. */
export interface WorkerDigest {
  /** Takes the bytes in; they may be reused afterwards. A promise asks to wait before the next call. */
  update(bytes: Uint8Array): Promise<void> | undefined
  /** The digests of all bytes, as `createDigest` gives them, in the order of the algorithms. */
  values(): Promise<readonly string[]>
  /** Nobody wants to know any more. */
  drop(): void
}

/** A few threads that hash; streams are given to the one with the fewest. */
export class HashWorkers implements AsyncDisposable {
  #threads: readonly Thread[]

  /** `count` is at least 1; a core each is the most that helps. */
  constructor(count: number) {
    this.#threads = Array.from({ length: count }, () => new Thread())
  }

  /** One digest per algorithm, all over the same bytes. */
  begin(algorithms: readonly Algorithm[]): WorkerDigest {
    // A thread that died took its streams with it; those to come get a new one.
    if (this.#threads.some((thread) => thread.hasFailed)) {
      this.#threads = this.#threads.map((thread) => (thread.hasFailed ? new Thread() : thread))
    }
    const idlest = this.#threads.reduce((a, b) => (b.streams < a.streams ? b : a))
    return idlest.begin(algorithms)
  }

  /** Streams under way fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.stop()))
  }
}

/** A worker with its slabs. */
class Thread {
  /** Streams under way. */
  streams = 0
  readonly memory: SharedArrayBuffer = new SharedArrayBuffer(SLABS * SLAB_BYTES)
  readonly #worker: Worker
  readonly #free: number[] = Array.from({ length: SLABS }, (_, slab) => slab)
  readonly #waiting: PromiseWithResolvers<number>[] = []
  /** Streams that hold a slab which is not full yet. */
  readonly #filling = new Set<Stream>()
  readonly #ending = new Map<number, PromiseWithResolvers<readonly string[]>>()
  #lastStream = 0
  #failure: Error | undefined

  constructor() {
    const workerData: WorkerMemory = { memory: this.memory, slabBytes: SLAB_BYTES }
    this.#worker = new Worker(new URL('hash-worker.ts', import.meta.url), { workerData })
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#hear(answer))
    this.#worker.on('error', (cause) => this.#fail(new Error('a hash worker failed', { cause })))
    this.#worker.on('exit', () => this.#fail(new Error('the hash worker has ended')))
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  begin(algorithms: readonly Algorithm[]): Stream {
    this.streams += 1
    this.#lastStream += 1
    this.#tell({ kind: 'begin', stream: this.#lastStream, algorithms })
    return new Stream(this, this.#lastStream)
  }

  /** True while streams wait for a slab. */
  get isShort(): boolean {
    return this.#waiting.length > 0
  }

  /** A free slab, or undefined: then `awaitSlab`. */
  takeSlab(stream: Stream): number | undefined {
    const slab = this.#free.pop()
    if (slab !== undefined) this.#filling.add(stream)
    return slab
  }

  async awaitSlab(stream: Stream): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure
    // Those that hold one let it go as it is (and see `isShort`).
    for (const other of this.#filling) other.flush()
    const turn = Promise.withResolvers<number>()
    this.#waiting.push(turn)
    this.#keepAlive()
    const slab = await turn.promise
    this.#filling.add(stream)
    return slab
  }

  /** For a slab into which nothing was written. */
  giveSlab(stream: Stream, slab: number): void {
    this.#filling.delete(stream)
    this.#hear({ kind: 'free', slab })
  }

  hash(stream: Stream, slab: number, size: number): void {
    this.#filling.delete(stream)
    this.#tell({ kind: 'bytes', stream: stream.id, slab, size })
  }

  async end(stream: number): Promise<readonly string[]> {
    if (this.#failure !== undefined) throw this.#failure
    this.#tell({ kind: 'end', stream })
    const ending = Promise.withResolvers<readonly string[]>()
    this.#ending.set(stream, ending)
    this.#keepAlive()
    return ending.promise
  }

  drop(stream: number): void {
    this.#tell({ kind: 'drop', stream })
  }

  async stop(): Promise<void> {
    this.#fail(new Error('the hash workers are closed'))
    await this.#worker.terminate()
  }

  #tell(order: Order): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#worker.postMessage(order)
  }

  #hear(answer: Answer): void {
    if (answer.kind === 'free') {
      const turn = this.#waiting.shift()
      if (turn === undefined) this.#free.push(answer.slab)
      else turn.resolve(answer.slab)
    } else {
      this.#ending.get(answer.stream)?.resolve(answer.values)
      this.#ending.delete(answer.stream)
    }
    this.#keepAlive()
  }

  /** The process does not live for the worker, but for whoever waits for it. */
  #keepAlive(): void {
    if (this.#ending.size > 0 || this.#waiting.length > 0) this.#worker.ref()
    else this.#worker.unref()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const waiting of [...this.#waiting, ...this.#ending.values()]) waiting.reject(error)
    this.#waiting.length = 0
    this.#ending.clear()
  }
}

class Stream implements WorkerDigest {
  readonly id: number
  readonly #thread: Thread
  #slab: number | undefined
  #filled = 0
  #isOver = false

  constructor(thread: Thread, id: number) {
    this.#thread = thread
    this.id = id
  }

  update(bytes: Uint8Array): Promise<void> | undefined {
    let rest = bytes
    while (rest.length > 0) {
      this.#slab ??= this.#thread.takeSlab(this)
      if (this.#slab === undefined) return this.#updateLater(rest)
      rest = this.#copy(this.#slab, rest)
    }
    // Nobody holds a slab half full while others wait for one: the next chunk may be long in coming.
    if (this.#thread.isShort) this.flush()
    return undefined
  }

  async values(): Promise<readonly string[]> {
    if (this.#isOver) throw new Error('a digest that has ended')
    this.flush()
    this.#over()
    return this.#thread.end(this.id)
  }

  drop(): void {
    if (this.#isOver) return
    this.flush()
    this.#over()
    this.#thread.drop(this.id)
  }

  /** Sends off what has been gathered. */
  flush(): void {
    if (this.#slab === undefined) return
    this.#thread.hash(this, this.#slab, this.#filled)
    this.#slab = undefined
    this.#filled = 0
  }

  #over(): void {
    this.#isOver = true
    this.#thread.streams -= 1
  }

  async #updateLater(bytes: Uint8Array): Promise<void> {
    const slab = await this.#thread.awaitSlab(this)
    if (this.#isOver) return this.#thread.giveSlab(this, slab)
    this.#slab = slab
    await this.update(bytes)
  }

  /** Copies what fits, and returns what does not. */
  #copy(slab: number, bytes: Uint8Array): Uint8Array {
    const fits = bytes.subarray(0, SLAB_BYTES - this.#filled)
    const at = slab * SLAB_BYTES + this.#filled
    new Uint8Array(this.#thread.memory, at, fits.length).set(fits)
    this.#filled += fits.length
    if (this.#filled === SLAB_BYTES) this.flush()
    return bytes.subarray(fits.length)
  }
}
