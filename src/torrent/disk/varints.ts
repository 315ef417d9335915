/** Small numbers in few bytes (LEB128), and lists of ranges in them, as they stand in the names of chunks. */

export class VarintWriter {
  readonly #bytes: number[] = []

  get length(): number {
    return this.#bytes.length
  }

  /** A whole number from 0 to 2^53 - 1. */
  write(value: number): this {
    let left = value
    while (left >= 128) {
      this.#bytes.push((left % 128) + 128)
      left = Math.floor(left / 128)
    }
    this.#bytes.push(left)
    return this
  }

  writeBytes(bytes: Uint8Array): this {
    for (const byte of bytes) this.#bytes.push(byte)
    return this
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

/** Throws RangeError where there is no whole number to read. */
export class VarintReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  read(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined || factor > 2 ** 49)
        throw new RangeError('no number where one should be')
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }

  readBytes(count: number): Uint8Array {
    const bytes = this.#bytes.subarray(this.#at, this.#at + count)
    if (bytes.length < count) throw new RangeError('bytes are missing')
    this.#at += count
    return bytes
  }
}

/** Ranges (start, end, start, end, ascending and apart) as gaps and lengths. */
export function encodeRanges(edges: readonly number[]): Uint8Array {
  const writer = new VarintWriter()
  let at = 0
  for (const edge of edges) {
    writer.write(edge - at)
    at = edge
  }
  return writer.finish()
}

/** Throws RangeError for what `encodeRanges` has not written. */
export function decodeRanges(bytes: Uint8Array): number[] {
  const reader = new VarintReader(bytes)
  const edges: number[] = []
  let at = 0
  while (!reader.isAtEnd) {
    at += reader.read()
    edges.push(at)
  }
  if (edges.length % 2 !== 0 || !Number.isSafeInteger(at))
    throw new RangeError('a range without an end')
  return edges
}
