import { expect, test } from 'vitest'
import { retried } from './remote-retry.ts'

const always = { attempts: 3, isTransient: (): boolean => true }

test('a call is tried as often as is said, and its last error stays', async () => {
  let calls = 0
  const failing = retried(always, async () => {
    throw new Error(`failure ${(calls += 1)}`)
  })
  await expect(failing).rejects.toThrow('failure 3')
})

test('what will not pass is not tried again', async () => {
  let calls = 0
  const failing = retried({ attempts: 5, isTransient: () => false }, async () => {
    calls += 1
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(calls).toBe(1)
})

test('an abort ends the waiting at once, with its reason', async () => {
  const abort = new AbortController()
  let calls = 0
  const failing = retried(
    { ...always, attempts: 100 },
    async () => {
      if ((calls += 1) === 3) setTimeout(() => abort.abort(new Error('gone')), 1)
      throw new Error('later')
    },
    abort.signal,
  )
  await expect(failing).rejects.toThrow(/gone|later/)
  expect(calls).toBeLessThan(20)
})
