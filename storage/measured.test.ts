import { expect, test } from 'vitest'
import type { Labels, Meter } from '../src/lib/meter.ts'
import { read, sample } from './contract-samples.ts'
import { storageContract } from './contract.ts'
import { MeasuredStorage } from './measured.ts'
import { MemoryStorage } from './memory.ts'

const ID = '01JDQ8M3AB0000000000000000'

/** A meter whose numbers can be read: `name{label values}` to the sum of what was observed. */
function meterOf(numbers: Map<string, number>): Meter {
  const cell = (name: string, _help: string, labels: Labels = {}) => {
    const key = `${name}{${Object.values(labels).toSorted().join(',')}}`
    const add = (by = 1): void => void numbers.set(key, (numbers.get(key) ?? 0) + by)
    return { add, observe: add }
  }
  return { counter: cell, histogram: cell, gauge() {} }
}

storageContract(
  'measured',
  async () => new MeasuredStorage(new MemoryStorage(), meterOf(new Map()), () => 0),
)

test('counts blobs, bytes, seconds and errors', async () => {
  const numbers = new Map<string, number>()
  let now = 0
  await using storage = new MeasuredStorage(
    new MemoryStorage(),
    meterOf(numbers),
    () => (now += 500),
  )
  await storage.put(ID, sample(300_000))
  await read(await storage.get(ID, { start: 0, end: 100_000 }))
  await storage.delete([ID])
  await expect(storage.get(ID)).rejects.toThrow('missing')
  expect(Object.fromEntries(numbers)).toEqual({
    'sluice_blobs_written_total{memory}': 1,
    'sluice_blob_bytes_written_total{memory}': 300_000,
    'sluice_blob_bytes_read_total{memory}': 100_000,
    'sluice_blobs_deleted_total{memory}': 1,
    'sluice_storage_seconds{memory,put}': 0.5,
    'sluice_storage_seconds{get,memory}': 0.5,
    'sluice_storage_seconds{delete,memory}': 0.5,
    'sluice_storage_errors_total{get,memory}': 1,
  })
})
