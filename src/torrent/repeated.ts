/**
 * Writes that may be asked for more often than they are worth: of one name, one at a time, and at most so
 * often; the last state is always written. A write that fails is tried again until it succeeds.
 */
const INTERVAL_MS = 1000

export class Repeated<T> {
  readonly #write: (value: T) => Promise<void>
  readonly #asked = new Map<string, T>()
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(write: (value: T) => Promise<void>) {
    this.#write = write
  }

  ask(name: string, value: T): void {
    this.#asked.set(name, value)
    this.#timer ??= setTimeout(() => this.#begin(), INTERVAL_MS).unref()
  }

  /** Writes what was asked for, now; what fails now is given up. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#running
    await Promise.allSettled(this.#take().map(([, value]) => this.#write(value)))
  }

  #begin(): void {
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#timer = undefined
      if (this.#asked.size > 0) this.#timer = setTimeout(() => this.#begin(), INTERVAL_MS).unref()
    })
  }

  async #run(): Promise<void> {
    for (const [name, value] of this.#take()) {
      try {
        await this.#write(value)
      } catch {
        if (!this.#asked.has(name)) this.#asked.set(name, value)
      }
    }
  }

  #take(): readonly (readonly [string, T])[] {
    const taken = [...this.#asked]
    this.#asked.clear()
    return taken
  }
}
