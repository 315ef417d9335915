/**
 * Buffers of one size, used again and again: what makes a byte path expensive is fresh memory (page
 * faults, garbage), not copying. Measured best for bodies: 1 MiB.
 */
export class BufferPool {
  readonly sizeBytes: number
  readonly #keptMax: number
  readonly #kept: Buffer[] = []
  readonly #lent = new WeakSet<Buffer>()
  readonly #make: (sizeBytes: number) => Buffer
  #lentCount = 0

  /** At most `keptMax` buffers wait for their next use; those given back beyond that are let go. */
  constructor(
    sizeBytes: number,
    keptMax: number,
    make: (sizeBytes: number) => Buffer = (size) => Buffer.allocUnsafeSlow(size),
  ) {
    this.sizeBytes = sizeBytes
    this.#keptMax = keptMax
    this.#make = make
  }

  /** Buffers taken and not yet given back. */
  get lent(): number {
    return this.#lentCount
  }

  /** A buffer with whatever was in it before. Never waits: whoever bounds memory asks `lent` first. */
  take(): Buffer {
    const buffer = this.#kept.pop() ?? this.#make(this.sizeBytes)
    this.#lent.add(buffer)
    this.#lentCount += 1
    return buffer
  }

  /** Gives a buffer back, of which nothing may be read or written any more. Twice is a fault, and loud. */
  give(buffer: Buffer): void {
    if (!this.#lent.delete(buffer)) throw new Error('a buffer that was not lent is given back')
    this.#lentCount -= 1
    if (this.#kept.length < this.#keptMax) this.#kept.push(buffer)
  }
}

/** A buffer whose memory other threads can be given to read. */
export function sharedBuffer(sizeBytes: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(sizeBytes))
}
