/** The Firestore engine against Google's own emulator. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import { metadataContract } from '../../metadata/contract.ts'
import { FirestoreStore } from '../../metadata/firestore.ts'
import { type FirestoreEmulator, startFirestoreEmulator } from './firestore-emulator.ts'

let emulator: FirestoreEmulator
beforeAll(async () => {
  emulator = await startFirestoreEmulator()
})
afterAll(async () => emulator[Symbol.asyncDispose]())

metadataContract(
  'firestore',
  () =>
    FirestoreStore.open({
      database: '(default)',
      collection: `rows-${randomUUID()}`,
      endpoint: emulator.endpoint,
      // The machine may be busy.
      answerMs: 60_000,
    }),
  // A reading transaction too is shown halves, a few times in a thousand.
  { runs: 4, showsHalves: true },
)
