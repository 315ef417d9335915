/** A map that forgets its oldest entry when it is full: memory that no client can make grow. */
export class BoundedMap<V> {
  readonly #entries = new Map<string, V>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#entries.size
  }

  get(name: string): V | undefined {
    return this.#entries.get(name)
  }

  set(name: string, value: V): void {
    if (!this.#entries.has(name) && this.#entries.size >= this.#max) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    this.#entries.set(name, value)
  }
}
