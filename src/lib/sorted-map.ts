/**
 * A map in the order of its keys' UTF-8 bytes, which are well-formed text.
 *
 * Sorted leaves of at most 512 entries stand under one sorted list of their first keys: a change is two
 * binary searches and moves at most 512 references, a range walks leaves in order. At a million keys there
 * are a few thousand leaves, so that a third level would not pay. Lookups go by the key's hash.
 */
import { ShardedMap } from './sharded-map.ts'
import { compareUtf8 } from './utf8.ts'

const LEAF_MAX = 512
/** Neighbours that hold no more than this together become one leaf. */
const MERGE_MAX: number = LEAF_MAX >> 1

type Leaf<V> = { readonly keys: string[]; readonly values: V[] }

export class SortedMap<V> {
  /** Never without a leaf; a leaf is empty only where the map is. */
  readonly #leaves: Leaf<V>[] = [{ keys: [], values: [] }]
  /** First key of each leaf, side by side: the search through them touches one array. */
  readonly #firsts: string[] = ['']
  /** The same entries, for lookups: at a million keys a search through the leaves is twenty misses of every cache. */
  readonly #byKey = new ShardedMap<V>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: string): V | undefined {
    return this.#byKey.get(key)
  }

  set(key: string, value: V): void {
    this.#byKey.set(key, value)
    const at = this.#leafOf(key)
    const leaf = this.#leaves[at]!
    const i = lowerBound(leaf.keys, key)
    if (leaf.keys[i] === key) {
      leaf.values[i] = value
      return
    }
    this.#size++
    if (leaf.keys.length < LEAF_MAX) {
      leaf.keys.splice(i, 0, key)
      leaf.values.splice(i, 0, value)
      if (i === 0) this.#firsts[at] = key
      return
    }
    this.#split(at, i)
    const target = this.#leafOf(key)
    const half = this.#leaves[target]!
    const j = lowerBound(half.keys, key)
    half.keys.splice(j, 0, key)
    half.values.splice(j, 0, value)
    if (j === 0) this.#firsts[target] = key
  }

  /** True where the key was there. */
  delete(key: string): boolean {
    if (!this.#byKey.delete(key)) return false
    const at = this.#leafOf(key)
    const leaf = this.#leaves[at]!
    const i = lowerBound(leaf.keys, key)
    leaf.keys.splice(i, 1)
    leaf.values.splice(i, 1)
    this.#size--
    if (i === 0) this.#firsts[at] = leaf.keys[0] ?? ''
    if (leaf.keys.length === 0 && this.#leaves.length > 1) {
      // Its neighbours may be too full to merge with; empty, it would be in the way of every search.
      this.#leaves.splice(at, 1)
      this.#firsts.splice(at, 1)
    } else if (leaf.keys.length < MERGE_MAX >> 1) this.#merge(at)
    return true
  }

  /** Values of the first `limit` keys from `from` (inclusive) up to `to` (exclusive; none: to the end). */
  slice(from: string, to: string | undefined, limit: number): V[] {
    const found: V[] = []
    for (let at = this.#leafOf(from); at < this.#leaves.length; at++) {
      const { keys, values } = this.#leaves[at]!
      const start = found.length === 0 ? lowerBound(keys, from) : 0
      const isLast = to !== undefined && keys.length > 0 && compareUtf8(keys.at(-1)!, to) >= 0
      const end = Math.min(
        isLast ? lowerBound(keys, to) : keys.length,
        start + limit - found.length,
      )
      for (let i = start; i < end; i++) found.push(values[i]!)
      if (isLast || found.length >= limit) break
    }
    return found
  }

  /** The value of the least key at or above `from`. */
  ceiling(from: string): V | undefined {
    const at = this.#leafOf(from)
    const leaf = this.#leaves[at]!
    const i = lowerBound(leaf.keys, from)
    return i < leaf.keys.length ? leaf.values[i] : this.#leaves[at + 1]?.values[0]
  }

  /** Index of the last leaf whose first key is not above `key`, or 0. */
  #leafOf(key: string): number {
    let low = 0
    let high = this.#firsts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (compareUtf8(this.#firsts[middle]!, key) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Makes room in a full leaf for an entry at `i`. Keys that come in order leave full leaves behind. */
  #split(at: number, i: number): void {
    const leaf = this.#leaves[at]!
    const isAppend = i === LEAF_MAX && at === this.#leaves.length - 1
    const cut = isAppend ? LEAF_MAX - 1 : LEAF_MAX >> 1
    const keys = leaf.keys.splice(cut)
    const values = leaf.values.splice(cut)
    this.#leaves.splice(at + 1, 0, { keys, values })
    this.#firsts.splice(at + 1, 0, keys[0]!)
  }

  /** Joins a leaf that has become small with a neighbour, where both fit in one. */
  #merge(at: number): void {
    const left = this.#fits(at - 1, at) ? at - 1 : at
    if (!this.#fits(left, left + 1)) return
    const into = this.#leaves[left]!
    const gone = this.#leaves[left + 1]!
    into.keys.push(...gone.keys)
    into.values.push(...gone.values)
    this.#leaves.splice(left + 1, 1)
    this.#firsts.splice(left + 1, 1)
    this.#firsts[left] = into.keys[0] ?? ''
  }

  #fits(left: number, right: number): boolean {
    const a = this.#leaves[left]
    const b = this.#leaves[right]
    return a !== undefined && b !== undefined && a.keys.length + b.keys.length <= MERGE_MAX
  }
}

/** Index of the first key that is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareUtf8(keys[middle]!, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
