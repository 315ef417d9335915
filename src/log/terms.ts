/** The term of every entry, in memory of the number of its changes: entries of one term stand together. */

interface Run {
  /** First index of the term. */
  readonly first: number
  readonly term: number
}

export class Terms {
  readonly #runs: Run[] = []

  /** The term of the entry behind all that were told. */
  note(index: number, term: number): void {
    if (this.#runs.at(-1)?.term !== term) this.#runs.push({ first: index, term })
  }

  /** Of an index that was told; what is answered for another has no meaning. */
  of(index: number): number | undefined {
    const runs = this.#runs
    let low = 0
    let high = runs.length - 1
    if (high < 0 || runs[high]!.first <= index) return runs[high]?.term
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (runs[middle]!.first <= index) low = middle
      else high = middle - 1
    }
    return runs[low]!.term
  }

  /** Forgets the terms from this index on. */
  cut(from: number): void {
    while (this.#runs.length > 0 && this.#runs.at(-1)!.first >= from) this.#runs.pop()
  }

  /** Forgets what is only about entries before this index. */
  forget(before: number): void {
    let count = 0
    while (count + 1 < this.#runs.length && this.#runs[count + 1]!.first <= before) count++
    this.#runs.splice(0, count)
  }

  clear(): void {
    this.#runs.length = 0
  }
}
