/** Those who wait for an entry to be on stable storage. */

interface Waiter {
  readonly index: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Durability {
  #waiters: Waiter[] = []

  wait(index: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ index, resolve, reject })
    })
  }

  /** Entries up to this one are durable. */
  reached(index: number): void {
    if (this.#waiters.length === 0) return
    const waiters = this.#waiters
    this.#waiters = waiters.filter((waiter) => waiter.index > index)
    for (const waiter of waiters) if (waiter.index <= index) waiter.resolve()
  }

  /** Nothing more will be durable, as far as is known. */
  failed(error: unknown): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const { reject } of waiters) reject(error)
  }
}
