import { expect, test } from 'vitest'
import type { Labels, Meter } from '../src/lib/meter.ts'
import { metadataContract } from './contract.ts'
import { SILENT } from '../src/lib/meter.ts'
import { MeasuredMetadata } from './measured.ts'
import { MemoryStore } from './memory.ts'
import type { Commit } from './store.ts'

metadataContract('measured', async () => new MeasuredMetadata(new MemoryStore(), SILENT, () => 0))

/** Keeps what it is told, by name and labels. */
class Notebook implements Meter {
  readonly observed = new Map<string, number[]>()

  counter(name: string, _help: string, labels: Labels = {}): { add(by?: number): void } {
    const seen = this.#of(name, labels)
    return { add: (by = 1) => void seen.push(by) }
  }

  histogram(name: string, _help: string, labels: Labels = {}): { observe(value: number): void } {
    const seen = this.#of(name, labels)
    return { observe: (value) => void seen.push(value) }
  }

  gauge(): void {}

  #of(name: string, labels: Labels): number[] {
    const key = [name, ...Object.values(labels)].join(' ')
    if (!this.observed.has(key)) this.observed.set(key, [])
    return this.observed.get(key)!
  }
}

const commit: Commit = {
  partition: 'b',
  expects: [{ table: 'object', sort: 'k', rev: 0 }],
  writes: [{ table: 'object', sort: 'k', value: 1 }],
}

test('every call is timed in seconds, and what is refused or fails is counted', async () => {
  const notebook = new Notebook()
  let nowMs = 0
  const clock = (): number => (nowMs += 500)
  await using store = new MeasuredMetadata(new MemoryStore(), notebook, clock)
  await store.get('b', 'object', 'k')
  await store.scan('b', 'object', { from: '', limit: 1 })
  await expect(store.scan('b', 'object', { from: '', limit: 0 })).rejects.toThrow(RangeError)
  expect(await store.commit(commit)).toBe(true)
  expect(await store.commit(commit)).toBe(false)
  expect(Object.fromEntries(notebook.observed)).toEqual({
    'sluice_metadata_seconds memory get': [0.5],
    'sluice_metadata_seconds memory scan': [0.5, 0.5],
    'sluice_metadata_seconds memory commit': [0.5, 0.5],
    'sluice_metadata_errors_total memory get': [],
    'sluice_metadata_errors_total memory scan': [1],
    'sluice_metadata_errors_total memory commit': [],
    'sluice_metadata_refused_total memory': [1],
  })
})
