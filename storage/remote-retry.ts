/**
 * Trying a call again: for SDKs whose own rule knows no jitter. Waits double from `FIRST_WAIT_MS` on,
 * each of a random length up to that, so that many gateways do not come back in step.
 */
import { setTimeout as sleep } from 'node:timers/promises'

const FIRST_WAIT_MS = 200
const WAIT_MAX_MS = 10_000

export interface Retries {
  /** Of one call, the first one included. */
  readonly attempts: number
  /** Whether the same call may go through later. */
  readonly isTransient: (error: unknown) => boolean
}

/** Ends with the last error, or with the signal's reason while it waits. The call is one that may be repeated. */
export async function retried<T>(
  { attempts, isTransient }: Retries,
  call: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call()
    } catch (error) {
      if (attempt >= attempts || signal?.aborted === true || !isTransient(error)) throw error
    }
    const longest = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), WAIT_MAX_MS)
    await sleep(longest * Math.random(), undefined, signal === undefined ? {} : { signal }).catch(
      () => {
        throw signal?.reason
      },
    )
  }
}
