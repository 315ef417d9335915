/**
 * A fuzzer for parsers: inputs of a corpus, changed at random, for a bounded time. What a parser promises of
 * any input is its target's `check` to say; an input that breaks the promise ends the run, and is told so
 * that it can be put into the corpus (`corpus/<target>/`, one file an input), where it is tried ever after.
 *
 *   FUZZ_MS    time for each target, in milliseconds (700)
 *   FUZZ_SEED  a whole number (1): the same seed tries the same inputs
 */
import { readdirSync, readFileSync } from 'node:fs'

const TIME_MS = Number(process.env['FUZZ_MS'] ?? 700)
const SEED = Number(process.env['FUZZ_SEED'] ?? 1)
/** Longer inputs find nothing that shorter ones do not, and take longer. */
const BYTES_MAX = 8192
const CHANGES_MAX = 6

export interface Target {
  /** Also the folder of its corpus. */
  readonly name: string
  /** Words that mean something to the parser. */
  readonly words: readonly string[]
  /** Throws (rejects) where a promise is broken; else says how it went, in a word: `ok`, the code of an error. */
  check(input: Buffer, random: Random): string | Promise<string>
}

export interface FuzzReport {
  readonly runs: number
  /** How often each outcome was seen. */
  readonly outcomes: ReadonlyMap<string, number>
}

/** Tries the corpus as it is, then changes of it until the time is over. Rejects with the input that broke a promise. */
export async function fuzz(target: Target): Promise<FuzzReport> {
  const corpus = readCorpus(target.name)
  const random = new Random(SEED)
  const outcomes = new Map<string, number>()
  const until = performance.now() + TIME_MS
  let runs = 0
  for (; runs < corpus.length || performance.now() < until; runs++) {
    const input = corpus[runs] ?? changed(corpus, target.words, random)
    let outcome: string
    try {
      outcome = await target.check(input, random)
    } catch (cause) {
      throw new Error(
        `${target.name}, seed ${SEED}, input ${runs}, in Base64: ${input.toString('base64')}`,
        { cause },
      )
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  return { runs, outcomes }
}

function readCorpus(name: string): readonly Buffer[] {
  const folder = new URL(`corpus/${name}/`, import.meta.url)
  return readdirSync(folder)
    .sort()
    .map((file) => readFileSync(new URL(file, folder)))
}

function changed(corpus: readonly Buffer[], words: readonly string[], random: Random): Buffer {
  let input = random.of(corpus)
  for (let count = 1 + random.below(CHANGES_MAX); count > 0; count--) {
    input = changedOnce(input, corpus, words, random)
  }
  return input.subarray(0, BYTES_MAX)
}

function changedOnce(
  input: Buffer,
  corpus: readonly Buffer[],
  words: readonly string[],
  random: Random,
): Buffer {
  const at = random.below(input.length + 1)
  const to = Math.min(input.length, at + 1 + random.below(1 + random.below(40)))
  const [before, some, after] = [input.subarray(0, at), input.subarray(at, to), input.subarray(to)]
  switch (random.below(7)) {
    case 0:
      return Buffer.concat([before, after])
    case 1:
      return Buffer.concat([before, some, some, after])
    case 2:
      return Buffer.concat([before, Buffer.from(random.of(words), 'latin1'), some, after])
    case 3:
      return Buffer.concat([before, Buffer.from(random.of(words), 'latin1'), after])
    case 4: {
      const flipped = Buffer.from(input)
      if (at < flipped.length) flipped[at]! ^= 1 << random.below(8)
      return flipped
    }
    case 5:
      return Buffer.concat([before, Buffer.from([random.below(256)]), some, after])
    default: {
      const other = random.of(corpus)
      return Buffer.concat([before, other.subarray(random.below(other.length + 1))])
    }
  }
}

/** Numbers that look random and are the same for the same seed (xorshift, 32 bits). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = (seed * 2_654_435_761) | 1
  }

  /** A whole number from 0 to `end`, which is not among them. */
  below(end: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % end
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  /** The bytes in pieces, none of them empty. */
  cut(bytes: Buffer): readonly Buffer[] {
    const pieces: Buffer[] = []
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + this.below(1 + this.below(64))
      pieces.push(bytes.subarray(at, end))
      at = end
    }
    return pieces
  }
}
