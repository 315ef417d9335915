/** "Did you mean": the known word nearest to a mistyped one, for configuration keys, flags and commands. */

/** The nearest of `words` by edit distance, where it is near enough to be meant; ties go to the first. */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase()
  // A third of the letters may be wrong: `prot` is `port`, and `xyz` is nothing.
  let best = Math.max(1, Math.floor(wanted.length / 3)) + 1
  let found: string | undefined
  for (const candidate of words) {
    const distance = edits(wanted, candidate.toLowerCase())
    if (distance < best) {
      best = distance
      found = candidate
    }
  }
  return found
}

/** ` (did you mean X?)`, or nothing. */
export function didYouMean(word: string, words: Iterable<string>, prefix: string = ''): string {
  const found = nearest(word, words)
  return found === undefined ? '' : ` (did you mean ${prefix}${found}?)`
}

/** Insertions, deletions, replacements and swaps of neighbours that make `a` into `b`. */
function edits(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min(replaced, above[j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, before[j - 2]! + 1)
      row.push(least)
    }
    before = above
    above = row
  }
  return above[b.length]!
}
