/**
 * How long to wait for a client that neither sends nor reads. One timer looks after all transfers
 * under way: a timer of its own for each small body would cost more than its bytes.
 */

/** A transfer that waits for its client. It sets `idleTicks` to 0 at each sign of life. */
export interface Waiting {
  /** Ticks since the last sign of life. */
  idleTicks: number
  /** False while it is we who make the client wait: no tick is counted. */
  readonly isWaiting: boolean
  /** Waited too long. */
  expire(): void
}

const TICKS = 4

export class Patience implements Disposable {
  readonly #waiting = new Set<Waiting>()
  readonly #timeoutMs: number
  #timer: NodeJS.Timeout | undefined

  /** A transfer expires after `timeoutMs` without progress, or up to a quarter later. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  add(transfer: Waiting): void {
    this.#waiting.add(transfer)
    // The timer stays once it runs (it keeps no process alive): starting one a request costs more.
    this.#timer ??= setInterval(() => this.#tick(), this.#timeoutMs / TICKS).unref()
  }

  delete(transfer: Waiting): void {
    this.#waiting.delete(transfer)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#waiting.clear()
  }

  #tick(): void {
    for (const transfer of this.#waiting) {
      if (!transfer.isWaiting || transfer.idleTicks++ < TICKS) continue
      this.#waiting.delete(transfer)
      transfer.expire()
    }
  }
}
