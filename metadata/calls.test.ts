import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Calls, type Failure } from './calls.ts'

function callsThat(failure: Failure, patienceMs?: number): Calls {
  return new Calls({
    service: 'The service',
    failureOf: () => failure,
    atOnceMax: 4,
    waitMs: () => 1,
    ...(patienceMs !== undefined && { patienceMs }),
  })
}

test('a service that does not answer is asked again until patience ends, and no longer', async () => {
  let attempts = 0
  const silent = async (): Promise<never> => {
    attempts += 1
    await sleep(40)
    throw new Error('no answer')
  }
  const asked = callsThat('doubt', 100).ask(silent)
  await expect(asked).rejects.toMatchObject({ name: 'StoreUnavailable' })
  expect(attempts).toBeGreaterThan(1)
  expect(attempts).toBeLessThan(5)
})

test('a question that is refused says in whose words', async () => {
  const asked = callsThat('refused').ask(async () => {
    throw new Error('the query needs an index')
  })
  await expect(asked).rejects.toThrow('The service refused (Error: the query needs an index)')
})
