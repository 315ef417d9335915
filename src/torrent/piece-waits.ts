/** Readers that wait for pieces of one torrent. */

interface Wait {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Nothing has come for so long that waiting on makes no sense. */
export class Stalled extends Error {
  override readonly name: string = 'Stalled'
}

export interface Patience {
  /** Without any progress of the torrent, in milliseconds. */
  readonly idleMs: number
  /** At all; Infinity: for ever. */
  readonly totalMs: number
  /** Goes up whenever the torrent makes progress. */
  readonly progress: () => number
}

/** How often progress is looked at, of the time that may pass without any. */
const LOOKS = 8

export class PieceWaits {
  readonly #waits = new Map<number, Set<Wait>>()

  get size(): number {
    return this.#waits.size
  }

  arrived(piece: number): void {
    const waits = this.#waits.get(piece)
    if (waits === undefined) return
    this.#waits.delete(piece)
    for (const { resolve } of waits) resolve()
  }

  /** Nobody gets what he waits for. */
  fail(error: unknown): void {
    const all = [...this.#waits.values()]
    this.#waits.clear()
    for (const waits of all) for (const { reject } of waits) reject(error)
  }

  /** Resolves when the piece is there. Rejects with `Stalled`, or the signal's reason. */
  async wait(piece: number, patience: Patience, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const wait: Wait = { resolve, reject }
    const waits = this.#waits.get(piece) ?? new Set<Wait>()
    waits.add(wait)
    this.#waits.set(piece, waits)
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort)
    const timer = watch(patience, reject)
    try {
      await promise
    } finally {
      clearInterval(timer)
      signal.removeEventListener('abort', onAbort)
      waits.delete(wait)
      if (waits.size === 0 && this.#waits.get(piece) === waits) this.#waits.delete(piece)
    }
  }
}

function watch(
  { idleMs, totalMs, progress }: Patience,
  reject: (error: Error) => void,
): NodeJS.Timeout {
  const begun = performance.now()
  let movedAt = begun
  let last = progress()
  return setInterval(() => {
    const now = performance.now()
    const count = progress()
    if (count !== last) movedAt = now
    last = count
    if (now - movedAt >= idleMs) reject(new Stalled('no peer sends anything'))
    else if (now - begun >= totalMs) reject(new Stalled('the piece takes too long'))
  }, idleMs / LOOKS)
}
