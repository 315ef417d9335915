import { expect, test, vi } from 'vitest'
import { MemoryStore } from '../metadata/memory.ts'
import { MemoryStorage } from '../storage/memory.ts'
import { readiness } from './readiness.ts'

test('engines that answer are ready', async () => {
  expect(await readiness(new MemoryStore(), new MemoryStorage())).toEqual({
    metadata: 'ok',
    storage: 'ok',
  })
})

test('an engine that fails is told by the name of its error alone', async () => {
  const metadata = new MemoryStore()
  metadata.get = () => Promise.reject(new TypeError('secret path'))
  expect(await readiness(metadata, new MemoryStorage())).toEqual({
    metadata: 'TypeError',
    storage: 'ok',
  })
})

test('an engine that does not answer is not waited for', async () => {
  vi.useFakeTimers()
  try {
    const metadata = new MemoryStore()
    metadata.get = () => new Promise(() => {})
    const asked = readiness(metadata, new MemoryStorage())
    await vi.advanceTimersByTimeAsync(2000)
    expect(await asked).toEqual({ metadata: 'no answer within 2000 ms', storage: 'ok' })
  } finally {
    vi.useRealTimers()
  }
})
