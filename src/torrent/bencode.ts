/**
 * Bencoding (BEP 3): integers, byte strings, lists and dictionaries.
 *
 * What cannot be read without a guess is refused. What can be read but is not the one right way to
 * write it (keys out of order or twice, leading zeros) is read, and told: an info dictionary of BEP 52
 * has to be canonical, while old torrents often are not. Depth and number of values are bounded.
 */

/** Values inside one another, at most (libtorrent: 100). */
export const BENCODE_DEPTH_MAX = 100
/** Values in one document, at most (libtorrent: 3 million). */
export const BENCODE_VALUES_MAX = 3_000_000

/** An integer is a number where a number holds it exactly, else a bigint of at most 64 bits. */
export type Bencoded = number | bigint | Uint8Array | readonly Bencoded[] | BencodedDictionary

/** What may be encoded: text becomes UTF-8, members that are undefined are left out. */
export type Encodable =
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Encodable[]
  | ReadonlyMap<string, Encodable>
  | { readonly [name: string]: Encodable | undefined }

/** The document cannot be read; `offset` is where. */
export class BencodeError extends Error {
  override readonly name: string = 'BencodeError'
  readonly offset: number

  constructor(problem: string, offset: number) {
    super(`bencoding: ${problem} at byte ${offset}`)
    this.offset = offset
  }
}

/** A dictionary as it was read. */
export class BencodedDictionary {
  /** By key, each byte of which is one character (latin1); of a key that comes twice, the first. */
  readonly entries: ReadonlyMap<string, Bencoded>
  /** Its own bytes: what an info hash is made of. */
  readonly encoded: Uint8Array
  /** Nothing in it, at any depth, could be written otherwise. */
  readonly isCanonical: boolean

  constructor(entries: ReadonlyMap<string, Bencoded>, encoded: Uint8Array, isCanonical: boolean) {
    this.entries = entries
    this.encoded = encoded
    this.isCanonical = isCanonical
  }

  /** `name` is ASCII. */
  get(name: string): Bencoded | undefined {
    return this.entries.get(name)
  }

  integer(name: string): number | undefined {
    const value = this.entries.get(name)
    return typeof value === 'number' ? value : undefined
  }

  bytes(name: string): Uint8Array | undefined {
    const value = this.entries.get(name)
    return value instanceof Uint8Array ? value : undefined
  }

  /** As UTF-8; what is none comes out with replacement characters. */
  text(name: string): string | undefined {
    const value = this.bytes(name)
    return value === undefined ? undefined : Buffer.from(value).toString()
  }

  list(name: string): readonly Bencoded[] | undefined {
    const value = this.entries.get(name)
    return Array.isArray(value) ? (value as readonly Bencoded[]) : undefined
  }

  dictionary(name: string): BencodedDictionary | undefined {
    const value = this.entries.get(name)
    return value instanceof BencodedDictionary ? value : undefined
  }
}

/** Reads one value that takes all of the bytes. Throws BencodeError. Strings share the memory of `bytes`. */
export function bdecode(bytes: Uint8Array): Bencoded {
  const reader = new Reader(bytes)
  const value = reader.value(0)
  reader.finish()
  return value
}

/** The same, whatever follows the value: old programs leave a line end there. */
export function bdecodeFirst(bytes: Uint8Array): Bencoded {
  return new Reader(bytes).value(0)
}

const MINUS = 0x2d
const COLON = 0x3a
const ZERO = 0x30
const NINE = 0x39
const [DICTIONARY, END, INTEGER, LIST] = [0x64, 0x65, 0x69, 0x6c]
/** Digits of the longest integer of 64 bits, and of the longest length that memory could hold. */
const DIGITS_MAX = 19
const INT64_MAX = 2n ** 63n - 1n

class Reader {
  readonly #bytes: Buffer
  #at = 0
  #values = 0
  /** Things met so far that could have been written otherwise. */
  #faults = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  value(depth: number): Bencoded {
    if (depth > BENCODE_DEPTH_MAX) throw this.#error('nested too deeply')
    if (++this.#values > BENCODE_VALUES_MAX) throw this.#error('too many values')
    switch (this.#bytes[this.#at]) {
      case INTEGER:
        return this.#integer()
      case LIST:
        return this.#list(depth)
      case DICTIONARY:
        return this.#dictionary(depth)
      default:
        return this.#string()
    }
  }

  finish(): void {
    if (this.#at < this.#bytes.length) throw this.#error('bytes behind the end')
  }

  #integer(): number | bigint {
    this.#at++
    const isNegative = this.#bytes[this.#at] === MINUS
    if (isNegative) this.#at++
    const digits = this.#digits(END)
    if (isNegative && digits === '0') this.#faults++
    const number = Number(digits)
    if (Number.isSafeInteger(number)) return isNegative ? 0 - number : number
    const big = BigInt(digits)
    if (big > INT64_MAX + (isNegative ? 1n : 0n)) throw this.#error('an integer of over 64 bits')
    return isNegative ? -big : big
  }

  /** Digits up to `end`, which is passed. */
  #digits(end: number): string {
    const start = this.#at
    while (this.#at - start <= DIGITS_MAX && isDigit(this.#bytes[this.#at])) this.#at++
    const count = this.#at - start
    if (count === 0) throw this.#error('no digit')
    if (count > DIGITS_MAX) throw this.#error('too many digits')
    if (this.#bytes[this.#at] !== end) throw this.#error('no end of a number')
    if (count > 1 && this.#bytes[start] === ZERO) this.#faults++
    return this.#bytes.toString('latin1', start, this.#at++)
  }

  #string(): Uint8Array {
    const length = Number(this.#digits(COLON))
    if (length > this.#bytes.length - this.#at) throw this.#error('a string beyond the end')
    const start = this.#at
    this.#at += length
    return this.#bytes.subarray(start, this.#at)
  }

  #list(depth: number): readonly Bencoded[] {
    this.#at++
    const list: Bencoded[] = []
    while (!this.#isEnd()) list.push(this.value(depth + 1))
    return list
  }

  #dictionary(depth: number): BencodedDictionary {
    const start = this.#at++
    const faults = this.#faults
    const entries = new Map<string, Bencoded>()
    let last: Uint8Array | undefined
    while (!this.#isEnd()) {
      const key = this.#string()
      if (last !== undefined && Buffer.compare(key, last) <= 0) this.#faults++
      last = key
      const value = this.value(depth + 1)
      const name = Buffer.from(key).toString('latin1')
      if (!entries.has(name)) entries.set(name, value)
    }
    const encoded = this.#bytes.subarray(start, this.#at)
    return new BencodedDictionary(entries, encoded, this.#faults === faults)
  }

  #isEnd(): boolean {
    if (this.#at >= this.#bytes.length) throw this.#error('the end is missing')
    if (this.#bytes[this.#at] !== END) return false
    this.#at++
    return true
  }

  #error(problem: string): BencodeError {
    return new BencodeError(problem, this.#at)
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE
}

/** The one right encoding of a value. Throws RangeError for a number that is no safe integer. */
export function bencode(value: Encodable): Buffer {
  const parts: Uint8Array[] = []
  write(value, parts)
  return Buffer.concat(parts)
}

function write(value: Encodable, parts: Uint8Array[]): void {
  if (typeof value === 'string') writeString(Buffer.from(value), parts)
  else if (value instanceof Uint8Array) writeString(value, parts)
  else if (typeof value === 'number' || typeof value === 'bigint') {
    if (typeof value === 'number' && !Number.isSafeInteger(value))
      throw new RangeError(`${value} is no integer that can be encoded`)
    parts.push(Buffer.from(`i${value}e`))
  } else if (Array.isArray(value)) {
    parts.push(Buffer.from('l'))
    for (const each of value as readonly Encodable[]) write(each, parts)
    parts.push(Buffer.from('e'))
  } else writeDictionary(value as Exclude<typeof value, readonly Encodable[]>, parts)
}

function writeString(bytes: Uint8Array, parts: Uint8Array[]): void {
  parts.push(Buffer.from(`${bytes.length}:`), bytes)
}

/** Keys of a Map are latin1, as they are read; names of an object are text. */
function writeDictionary(
  value: ReadonlyMap<string, Encodable> | { readonly [name: string]: Encodable | undefined },
  parts: Uint8Array[],
): void {
  const entries: (readonly [Uint8Array, Encodable])[] = []
  if (value instanceof Map) {
    for (const [key, each] of value as ReadonlyMap<string, Encodable>)
      entries.push([Buffer.from(key, 'latin1'), each])
  } else {
    for (const [name, each] of Object.entries(
      value as { readonly [name: string]: Encodable | undefined },
    ))
      if (each !== undefined) entries.push([Buffer.from(name), each])
  }
  entries.sort(([a], [b]) => Buffer.compare(a, b))
  parts.push(Buffer.from('d'))
  for (const [key, each] of entries) {
    writeString(key, parts)
    write(each, parts)
  }
  parts.push(Buffer.from('e'))
}
