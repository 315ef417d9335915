/** A set of bytes as ranges: which of a piece are there. Ranges are apart, ascend, and never touch. */
export class Spans {
  /** start, end, start, end, ... ascending. */
  readonly #edges: number[]
  #bytes = 0

  constructor(edges: readonly number[] = []) {
    this.#edges = [...edges]
    for (let i = 0; i < edges.length; i += 2) this.#bytes += edges[i + 1]! - edges[i]!
  }

  /** In all ranges together. */
  get bytes(): number {
    return this.#bytes
  }

  get edges(): readonly number[] {
    return this.#edges
  }

  /** Takes the range in; true where none of it was in before. */
  add(start: number, end: number): boolean {
    if (start >= end) return true
    const edges = this.#edges
    // In order is by far the most frequent.
    if (edges.at(-1) === start) {
      edges[edges.length - 1] = end
      this.#bytes += end - start
      return true
    }
    let first = firstEndAtLeast(edges, start)
    let from = start
    let to = end
    let covered = 0
    const at = first
    while (first < edges.length && edges[first]! <= end) {
      const [lower, upper] = [edges[first]!, edges[first + 1]!]
      covered += Math.max(0, Math.min(upper, end) - Math.max(lower, start))
      from = Math.min(from, lower)
      to = Math.max(to, upper)
      first += 2
    }
    edges.splice(at, first - at, from, to)
    this.#bytes += end - start - covered
    return covered === 0
  }

  addAll(other: Spans): void {
    for (const [start, end] of other) this.add(start, end)
  }

  covers(start: number, end: number): boolean {
    return start >= end || this.reach(start) >= end
  }

  /** Up to where all is in from `start` on; `start` itself where its byte is not. */
  reach(start: number): number {
    const at = firstEndAtLeast(this.#edges, start + 1)
    return at < this.#edges.length && this.#edges[at]! <= start ? this.#edges[at + 1]! : start
  }

  /** Parts of a range that are in. */
  *within(start: number, end: number): Generator<readonly [number, number]> {
    for (let at = firstEndAtLeast(this.#edges, start + 1); at < this.#edges.length; at += 2) {
      if (this.#edges[at]! >= end) return
      yield [Math.max(start, this.#edges[at]!), Math.min(end, this.#edges[at + 1]!)]
    }
  }

  /** Parts of a range that are not in. */
  *missing(start: number, end: number): Generator<readonly [number, number]> {
    let from = start
    for (const [lower, upper] of this.within(start, end)) {
      if (lower > from) yield [from, lower]
      from = upper
    }
    if (from < end) yield [from, end]
  }

  *[Symbol.iterator](): Generator<readonly [number, number]> {
    for (let i = 0; i < this.#edges.length; i += 2) yield [this.#edges[i]!, this.#edges[i + 1]!]
  }
}

/** Index of the first range (of its start) that ends at or behind `position`. */
function firstEndAtLeast(edges: readonly number[], position: number): number {
  let low = 0
  let high = edges.length / 2
  while (low < high) {
    const middle = (low + high) >> 1
    if (edges[2 * middle + 1]! < position) low = middle + 1
    else high = middle
  }
  return 2 * low
}
