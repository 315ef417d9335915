/**
 * Leases of bucket rows, for engines on which every write would otherwise have to check the one row that
 * all writes into the bucket check: on DynamoDB such transactions conflict with each other, and cost four
 * times a plain write.
 *
 * A write relies on a bucket's row that it read less than `ms` ago and does not expect it. Once its
 * commit is done it looks at the clock: within `ms` of the beginning of that read, all is well; later,
 * it reads the row again, and where that is gone or being deleted the write's outcome counts as
 * unknown. A deletion marks the row, and then waits twice `ms` before it looks whether the bucket is empty.
 *
 * So of any acknowledged write and any deletion one sees the other. If the write was in time, its row
 * was read before the mark, and its commit was done less than `ms` after, which is before the deletion
 * looks; clocks only have to run at less than twice each other's pace. If it was late, then either it
 * reads the mark, or the mark, and so the look, came after its commit. A process that stands still at any
 * point is only late.
 *
 * What a lease does not cover: a write that nobody acknowledged (its process died, or the store could
 * not tell what became of it) may still be carried out once the bucket is gone. It is found in a
 * bucket that is made again under the same name, as if it had come later.
 */
import { setTimeout as sleep } from 'node:timers/promises'

export interface BucketLease {
  /** How long a row that was read may be relied on, in milliseconds. */
  readonly ms: number
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicMs: () => number
  readonly wait: (ms: number) => Promise<void>
}

/** Paces of two clocks differ by less. */
const PACE = 2

export function leaseOf(ms: number): BucketLease {
  return { ms, monotonicMs: () => performance.now(), wait: (ms) => sleep(ms) }
}

/** Until every write that relied on what stood before the caller read the row is done, or will find out. */
export function settle({ ms, wait }: BucketLease): Promise<void> {
  return wait(PACE * ms)
}
