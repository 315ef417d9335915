/** What a log says when it cannot do what is asked; besides `StoreFull` and `StoreLocked`, which all stores know. */
import { StoreDamaged, StoreUnavailable } from '../lib/store-error.ts'
import type { LogId } from './store.ts'

/** The entries do not go on where the log ends; nothing was written. */
export class LogGap extends Error {
  override readonly name: string = 'LogGap'
  readonly expected: number
  readonly given: number

  constructor(expected: number, given: number) {
    super(`Entry ${given} does not go on where the log ends: ${expected} is the next`)
    this.expected = expected
    this.given = given
  }
}

/** What was asked for was purged: a snapshot stands in for it. */
export class LogCompacted extends Error {
  override readonly name: string = 'LogCompacted'
  readonly boundary: LogId

  constructor(boundary: LogId) {
    super(`Entries up to ${boundary.index} were purged`)
    this.boundary = boundary
  }
}

/** Bytes on disk are not as they were written: none of them is given out. */
export class LogCorrupt extends StoreDamaged {
  override readonly name: string = 'LogCorrupt'
  /** The file. */
  readonly segment: string
  /** Byte in it, or index of the entry where the engine has no files of its own. */
  readonly offset: number

  constructor(segment: string, offset: number, what: string) {
    super(`${segment}, at ${offset}: ${what}`)
    this.segment = segment
    this.offset = offset
  }
}

/** The folder or file holds something else, or was written by a newer program. Nothing was touched. */
export class LogForeign extends StoreDamaged {
  override readonly name: string = 'LogForeign'
}

/** A sync has failed: what the disk has is not known, and nothing is written until the store is opened again. */
export class StorePoisoned extends StoreUnavailable {
  override readonly name: string = 'StorePoisoned'
}

/** The store was closed. */
export class StoreClosed extends StoreUnavailable {
  override readonly name: string = 'StoreClosed'
}
