/**
 * Blobs that readers in this process have still to open.
 *
 * A body of many extents is opened piece by piece, perhaps over hours, and its version may be gone
 * long before the last piece. The sweep leaves garbage alone while a blob of it is held here. Readers in
 * another process have the sweep's grace period, `sweep.grace`, which is long where stores are shared; if that
 * was too short their answer breaks off, for a blob's bytes are never replaced by others.
 */
import type { Extent } from './rows.ts'

export class Reading {
  /** How many bodies hold each blob. */
  readonly #held = new Map<string, number>()

  hold(extents: readonly Extent[]): void {
    for (const [blob] of extents) this.#held.set(blob, (this.#held.get(blob) ?? 0) + 1)
  }

  release(extents: readonly Extent[]): void {
    for (const [blob] of extents) {
      const left = (this.#held.get(blob) ?? 0) - 1
      if (left > 0) this.#held.set(blob, left)
      else this.#held.delete(blob)
    }
  }

  /** Whether any of these is held. */
  holdsAny(extents: readonly Extent[]): boolean {
    return this.#held.size > 0 && extents.some(([blob]) => this.#held.has(blob))
  }
}
