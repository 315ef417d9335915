/**
 * A worker thread that is told orders and answers those that it is asked, in their order. The process
 * lives for it only while somebody waits for an answer; one that dies fails all that is asked of it.
 */
import { Worker, type ResourceLimits } from 'node:worker_threads'

export class AskedThread<Order, Answer> {
  readonly #worker: Worker
  /** Orders not yet answered. */
  readonly #asked: PromiseWithResolvers<Answer>[] = []
  readonly #name: string
  #failure: Error | undefined

  /** `name` says what it is for, in errors: `hash worker`. */
  constructor(name: string, module: URL, resourceLimits: ResourceLimits) {
    this.#name = name
    this.#worker = new Worker(module, { resourceLimits })
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#hear(answer))
    this.#worker.on('error', (cause) => this.#fail(new Error(`a ${name} failed`, { cause })))
    this.#worker.on('exit', () => this.#fail(new Error(`the ${name} has ended`)))
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** Orders that are not answered yet. */
  get waiting(): number {
    return this.#asked.length
  }

  /** For orders without an answer. */
  tell(order: Order): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#worker.postMessage(order)
  }

  ask(order: Order): Promise<Answer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const asked = Promise.withResolvers<Answer>()
    this.#asked.push(asked)
    if (this.#asked.length === 1) this.#worker.ref()
    this.tell(order)
    return asked.promise
  }

  stop(): void {
    this.#fail(new Error(`the ${this.#name} is closed`))
    void this.#worker.terminate()
  }

  #hear(answer: Answer): void {
    this.#asked.shift()?.resolve(answer)
    if (this.#asked.length === 0) this.#worker.unref()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const asked of this.#asked.splice(0)) asked.reject(error)
    this.#worker.unref()
  }
}
