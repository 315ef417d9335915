/**
 * A map of texts for point lookups among any number of keys. JavaScript's own holds 2^24 entries, and stops
 * everything while it doubles: beyond `SPLIT_AT` keys there are several of them.
 */
const SPLIT_AT = 4096
/** A power of two. */
const SHARDS = 64

export class ShardedMap<V> {
  #shards: Map<string, V>[] = [new Map()]

  get(key: string): V | undefined {
    return this.#shardOf(key).get(key)
  }

  set(key: string, value: V): void {
    this.#shardOf(key).set(key, value)
    const [first] = this.#shards
    if (this.#shards.length === 1 && first!.size > SPLIT_AT) this.#split(first!)
  }

  /** True where the key was there. */
  delete(key: string): boolean {
    return this.#shardOf(key).delete(key)
  }

  #shardOf(key: string): Map<string, V> {
    return this.#shards[this.#shards.length === 1 ? 0 : shardOf(key)]!
  }

  #split(all: Map<string, V>): void {
    const shards = Array.from({ length: SHARDS }, () => new Map<string, V>())
    for (const [key, value] of all) shards[shardOf(key)]!.set(key, value)
    this.#shards = shards
  }
}

/** Neighbours differ at their end, or before a suffix such as `.jpg`. */
function shardOf(key: string): number {
  const end = key.length
  const sum =
    unit(key, end - 1) + 7 * unit(key, end - 2) + 31 * unit(key, end - 5) + 5 * unit(key, end - 6)
  return (sum + end) & (SHARDS - 1)
}

function unit(key: string, at: number): number {
  return at < 0 ? 0 : key.charCodeAt(at)
}
