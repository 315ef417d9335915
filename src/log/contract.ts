/**
 * The promises of `StorageEngine`, as tests: an engine's own test file is a call of this, and so is that
 * of an engine that stands elsewhere.
 */
import { describe } from 'vitest'
import type { NewPlace } from './contract-calls.ts'
import { boundaryPromises } from './contract-boundary.ts'
import { durabilityPromises } from './contract-durability.ts'
import { entryPromises } from './contract-entries.ts'
import { randomPromises } from './contract-random.ts'
import { statePromises } from './contract-state.ts'

export interface ContractOptions {
  /** What was answered is there when the place is opened again. */
  readonly isKept: boolean
  /** Random cases that are tried. */
  readonly runs: number
}

/** `newPlace` gives a new, empty place each time; what is opened there the suite closes. */
export function logContract(name: string, newPlace: NewPlace, options: ContractOptions): void {
  describe(`a log: ${name}`, () => {
    describe('entries', () => {
      entryPromises(newPlace)
    })
    describe('the boundary, and the end', () => {
      boundaryPromises(newPlace)
    })
    describe('the hard state', () => {
      statePromises(newPlace, options.isKept)
    })
    // A log in memory alone promises nothing of it.
    describe.runIf(options.isKept)('opened again', () => {
      durabilityPromises(newPlace)
    })
    describe('any calls', () => {
      randomPromises(newPlace, options)
    })
  })
}
