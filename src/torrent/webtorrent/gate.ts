/**
 * Holds peers back while the disk cannot keep up: WebTorrent goes on asking for pieces however many it holds,
 * so its download is throttled to next to nothing until they are written.
 */
import type { Held } from './chunk-store.ts'
import type { Client } from './wire.ts'

/** Bytes of pieces in hand above which peers are held back, and at which they go on. */
export const HELD_HIGH_BYTES: number = 8 * 1024 * 1024
export const HELD_LOW_BYTES: number = 4 * 1024 * 1024
/** Bytes a second; 0 would be looked at only every second. */
const NEXT_TO_NOTHING = 1
const UNBOUND = -1

export class Gate implements Held {
  readonly #client: Pick<Client, 'throttleDownload'>
  readonly #rateMax: number
  #heldBytes = 0
  #waits = 0
  #isClosed = false

  /** `rateMax`: bytes a second while it is open; 0: no bound. */
  constructor(client: Pick<Client, 'throttleDownload'>, rateMax: number) {
    this.#client = client
    this.#rateMax = rateMax
  }

  add(bytes: number): void {
    this.#heldBytes += bytes
    this.#judge()
  }

  remove(bytes: number): void {
    this.#heldBytes -= bytes
    this.#judge()
  }

  waitFor(drained: Promise<void>): void {
    this.#waits++
    this.#judge()
    const end = (): void => {
      this.#waits--
      this.#judge()
    }
    drained.then(end, end)
  }

  #judge(): void {
    const isTooMuch = this.#waits > 0 || this.#heldBytes > HELD_HIGH_BYTES
    if (!this.#isClosed && isTooMuch) {
      this.#isClosed = true
      this.#client.throttleDownload(NEXT_TO_NOTHING)
    } else if (this.#isClosed && this.#waits === 0 && this.#heldBytes <= HELD_LOW_BYTES) {
      this.#isClosed = false
      // Those that wait for leave to read wake only where there is no bound at all.
      this.#client.throttleDownload(UNBOUND)
      if (this.#rateMax > 0) this.#client.throttleDownload(this.#rateMax)
    }
  }
}
