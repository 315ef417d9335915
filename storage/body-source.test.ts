import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { readSource } from './body-source.ts'

async function* counting(): AsyncGenerator<Uint8Array> {
  for (let chunk = 1; chunk < 100; chunk += 1) yield Uint8Array.of(chunk)
}

test('an abort while a chunk is being stored ends the reading before the next', async () => {
  const abort = new AbortController()
  const seen: number[] = []
  const reading = readSource(counting(), abort.signal, async (chunk) => {
    seen.push(...chunk)
    if (seen.length === 3) abort.abort(new Error('gone'))
  })
  await expect(reading).rejects.toThrow('gone')
  expect(seen).toEqual([1, 2, 3])
})

test('a chunk that cannot be stored ends the reading once the body has let go', async () => {
  let released = false
  async function* slowToRelease(): AsyncGenerator<Uint8Array> {
    try {
      yield Uint8Array.of(1)
      yield Uint8Array.of(2)
    } finally {
      await sleep(5)
      released = true
    }
  }
  const full = new Error('no room')
  const reading = readSource(slowToRelease(), undefined, () => {
    throw full
  })
  await expect(reading).rejects.toBe(full)
  expect(released).toBe(true)
})

test('the next chunk is not asked for while one is being stored', async () => {
  let isStoring = false
  async function* watching(): AsyncGenerator<Uint8Array> {
    for (let chunk = 0; chunk < 5; chunk += 1) {
      expect(isStoring).toBe(false)
      yield new Uint8Array(10)
    }
  }
  const size = await readSource(watching(), undefined, async () => {
    isStoring = true
    await sleep(1)
    isStoring = false
  })
  expect(size).toBe(50)
})

test('no listener stays on the signal', async () => {
  const { signal } = new AbortController()
  let listeners = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1
    remove(...args)
  }
  async function* short(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1)
    expect(listeners).toBe(1)
  }
  await readSource(short(), signal, () => {})
  expect(listeners).toBe(0)
})
