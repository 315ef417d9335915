/** The first SIGINT or SIGTERM ends a long command in good order; a second one ends the process. */
import { MaintenanceError } from '../maintain/maintenance-error.ts'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** A signal that is aborted with `MaintenanceError(message)`; disposed of, signals mean what they always do. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController()
  readonly #message: string

  constructor(message: string) {
    this.#message = message
    for (const name of SIGNALS) process.on(name, this.#abort)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#abort)
  }

  readonly #abort = (): void => {
    this[Symbol.dispose]()
    this.#controller.abort(new MaintenanceError(this.#message))
  }
}
