/**
 * A cache bounded in bytes that adapts between what was used lately and what is used often (Megiddo and
 * Modha, "ARC", FAST 2003). One reading of everything does not push out what is read again and again.
 */

interface Entry<V> {
  readonly value: V
  readonly bytes: number
}

export class Arc<V> {
  readonly #bytesMax: () => number
  readonly #onEvict: (key: string, value: V) => void
  /** Seen once, seen more than once; the least lately used first. */
  readonly #recent = new Map<string, Entry<V>>()
  readonly #frequent = new Map<string, Entry<V>>()
  /** Keys that were evicted from the one and from the other, with their bytes. */
  readonly #recentGhosts = new Map<string, number>()
  readonly #frequentGhosts = new Map<string, number>()
  readonly #sizes = { recent: 0, frequent: 0, recentGhosts: 0, frequentGhosts: 0 }
  /** Bytes that `recent` should have. */
  #target = 0

  /** `bytesMax` is asked each time: a budget may grow. `onEvict` is told of what room was made by. */
  constructor(bytesMax: () => number, onEvict: (key: string, value: V) => void) {
    this.#bytesMax = bytesMax
    this.#onEvict = onEvict
  }

  get bytes(): number {
    return this.#sizes.recent + this.#sizes.frequent
  }

  get count(): number {
    return this.#recent.size + this.#frequent.size
  }

  /** Undefined where it is not there. It counts as used, but for `peek`. */
  get(key: string): V | undefined {
    const often = this.#frequent.get(key)
    if (often !== undefined) {
      this.#frequent.delete(key)
      this.#frequent.set(key, often)
      return often.value
    }
    const once = this.#recent.get(key)
    if (once === undefined) return undefined
    this.#recent.delete(key)
    this.#sizes.recent -= once.bytes
    this.#frequent.set(key, once)
    this.#sizes.frequent += once.bytes
    return once.value
  }

  peek(key: string): V | undefined {
    return (this.#frequent.get(key) ?? this.#recent.get(key))?.value
  }

  /** False: it is larger than the cache, and not kept. A key that is there is replaced, silently. */
  set(key: string, value: V, bytes: number): boolean {
    this.delete(key)
    if (bytes > this.#bytesMax()) return false
    const wasFrequent = this.#frequentGhosts.has(key)
    if (this.#learn(key, bytes)) {
      this.#frequent.set(key, { value, bytes })
      this.#sizes.frequent += bytes
    } else {
      this.#recent.set(key, { value, bytes })
      this.#sizes.recent += bytes
    }
    this.#makeRoom(wasFrequent, key)
    return true
  }

  /** What was there; `onEvict` is not told. */
  delete(key: string): V | undefined {
    const entry = this.#recent.get(key)
    if (entry !== undefined) {
      this.#recent.delete(key)
      this.#sizes.recent -= entry.bytes
      return entry.value
    }
    const often = this.#frequent.get(key)
    if (often === undefined) return undefined
    this.#frequent.delete(key)
    this.#sizes.frequent -= often.bytes
    return often.value
  }

  keys(): readonly string[] {
    return [...this.#recent.keys(), ...this.#frequent.keys()]
  }

  /** Whether it was here not long ago; the target moves towards where it was missed. */
  #learn(key: string, bytes: number): boolean {
    const { recentGhosts, frequentGhosts } = this.#sizes
    const max = this.#bytesMax()
    const once = this.#recentGhosts.get(key)
    if (once !== undefined) {
      const weight = Math.max(1, frequentGhosts / Math.max(1, recentGhosts))
      this.#target = Math.min(max, this.#target + weight * bytes)
      this.#recentGhosts.delete(key)
      this.#sizes.recentGhosts -= once
      return true
    }
    const often = this.#frequentGhosts.get(key)
    if (often === undefined) return false
    const weight = Math.max(1, recentGhosts / Math.max(1, frequentGhosts))
    this.#target = Math.max(0, this.#target - weight * bytes)
    this.#frequentGhosts.delete(key)
    this.#sizes.frequentGhosts -= often
    return true
  }

  #makeRoom(wasFrequent: boolean, added: string): void {
    const max = this.#bytesMax()
    while (this.bytes > max) {
      const { recent } = this.#sizes
      const isOver = recent > this.#target || (wasFrequent && recent === this.#target)
      const fromRecent = this.#frequent.size === 0 || (isOver && this.#recent.size > 0)
      if (!this.#evict(fromRecent, added) && !this.#evict(!fromRecent, added)) return
    }
    this.#forgetGhosts(max)
  }

  /** The least lately used, other than what has just come; false where there is none. */
  #evict(fromRecent: boolean, added: string): boolean {
    const entries = fromRecent ? this.#recent : this.#frequent
    for (const [key, { value, bytes }] of entries) {
      if (key === added) continue
      entries.delete(key)
      this.#sizes[fromRecent ? 'recent' : 'frequent'] -= bytes
      const ghosts = fromRecent ? this.#recentGhosts : this.#frequentGhosts
      ghosts.set(key, bytes)
      this.#sizes[fromRecent ? 'recentGhosts' : 'frequentGhosts'] += bytes
      this.#onEvict(key, value)
      return true
    }
    return false
  }

  #forgetGhosts(max: number): void {
    for (const [key, bytes] of this.#recentGhosts) {
      if (this.#sizes.recent + this.#sizes.recentGhosts <= max) break
      this.#recentGhosts.delete(key)
      this.#sizes.recentGhosts -= bytes
    }
    const { recentGhosts } = this.#sizes
    for (const [key, bytes] of this.#frequentGhosts) {
      if (this.bytes + recentGhosts + this.#sizes.frequentGhosts <= 2 * max) break
      this.#frequentGhosts.delete(key)
      this.#sizes.frequentGhosts -= bytes
    }
  }
}
