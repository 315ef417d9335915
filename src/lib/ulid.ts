/**
 * ULIDs: 26 characters of Crockford's base 32, 10 of the millisecond and 16 of randomness.
 *
 * Within one `Ulids` each id is greater than all before it (versions: smaller), whatever the clock
 * does: where it stands still or goes back, the last id is counted up instead. Ids of two processes
 * differ by 80 random bits.
 */
import { randomFillSync } from 'node:crypto'
import type { Clock, Ids } from './ids.ts'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** 26 of them have two bits more than an id. */
const FIRST_DIGITS = ALPHABET.slice(0, 8)
const LENGTH = 26
const TIME_LENGTH = 10
const TIME_MAX = 2 ** 48 - 1
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

/** True for what `next` and `nextVersion` give. */
export function isUlid(text: string): boolean {
  return text.length === LENGTH && ULID.test(text)
}

/** Epoch milliseconds in an ascending id (`next`). */
export function ulidTime(id: string): number {
  let time = 0
  for (let index = 0; index < TIME_LENGTH; index++) {
    time = time * 32 + ALPHABET.indexOf(id[index] ?? '0')
  }
  return time
}

/** The least ascending id of that millisecond: a bound for comparisons by age. */
export function ulidFloor(time: number): string {
  return timeText(time) + '0'.repeat(LENGTH - TIME_LENGTH)
}

/** Characters of which `prefixesBehind` gives siblings; what they begin with covers 17 minutes. */
const PREFIX_LENGTH = 6

/**
 * Beginnings, ascending, that every id greater than `id` has one of, and few smaller ones have: a way to start in the
 * middle of what can be listed by beginnings alone. Some hundred, however many ids there are.
 */
export function* prefixesBehind(id: string): Generator<string, void, undefined> {
  yield id.slice(0, PREFIX_LENGTH)
  for (let length = PREFIX_LENGTH - 1; length >= 0; length--) {
    const shared = id.slice(0, length)
    const digits = length === 0 ? FIRST_DIGITS : ALPHABET
    for (const digit of digits) if (digit > id[length]!) yield shared + digit
  }
}

/** A version id that sorts before `id`: one millisecond newer by its own account, with the randomness of `fresh`. */
export function versionBefore(id: string, fresh: string): string {
  return timeText(ulidTime(id) - 1) + fresh.slice(TIME_LENGTH)
}

/** Ids made of a clock and the system's randomness. */
export class Ulids implements Ids {
  readonly #clock: Clock
  readonly #ascending = new Sequence(1)
  readonly #descending = new Sequence(-1)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  next(): string {
    return this.#ascending.at(this.#clock.now())
  }

  nextVersion(): string {
    return this.#descending.at(TIME_MAX - this.#clock.now())
  }
}

/** Random bytes are drawn for many ids at once: one call of the system costs more than an id. */
const POOL_BYTES = 4096
const RANDOM_DIGITS = LENGTH - TIME_LENGTH

/** Ids that only ever move in one direction. */
class Sequence {
  readonly #step: 1 | -1
  readonly #pool = new Uint8Array(POOL_BYTES)
  #used: number = POOL_BYTES
  #time: number
  #timeText = ''
  readonly #digits = new Uint8Array(RANDOM_DIGITS)

  constructor(step: 1 | -1) {
    this.#step = step
    this.#time = step === 1 ? -1 : TIME_MAX + 1
  }

  at(time: number): string {
    const moved = this.#step === 1 ? time > this.#time : time < this.#time
    if (moved) this.#begin(time)
    else this.#count()
    let text = this.#timeText
    for (const digit of this.#digits) text += ALPHABET[digit]
    return text
  }

  #begin(time: number): void {
    this.#time = time
    this.#timeText = timeText(time)
    if (this.#used + RANDOM_DIGITS > POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    for (let index = 0; index < RANDOM_DIGITS; index++) {
      this.#digits[index] = this.#pool[this.#used++]! & 31
    }
  }

  /** One further (or back) within the millisecond; a full turn goes on in the next one. */
  #count(): void {
    for (let index = RANDOM_DIGITS - 1; index >= 0; index--) {
      const digit = this.#digits[index]! + this.#step
      if (digit >= 0 && digit < 32) {
        this.#digits[index] = digit
        return
      }
      this.#digits[index] = digit & 31
    }
    this.#begin(this.#time + this.#step)
  }
}

function timeText(time: number): string {
  let text = ''
  let rest = Math.min(Math.max(time, 0), TIME_MAX)
  for (let index = 0; index < TIME_LENGTH; index++) {
    text = ALPHABET[rest % 32] + text
    rest = Math.floor(rest / 32)
  }
  return text
}
