/** The Firestore engine against Google's own emulator. */
import { randomUUID } from 'node:crypto'
import { metadataContract } from '../../metadata/contract.ts'
import { FirestoreStore } from '../../metadata/firestore.ts'

metadataContract(
  'firestore',
  () =>
    FirestoreStore.open({
      database: '(default)',
      collection: `rows-${randomUUID()}`,
      endpoint: 'http://127.0.0.1:8899',
    }),
  { runs: 4 },
)
