/** Google's Firestore emulator, for the metadata of gateways: one server, a collection each. */
import { randomUUID } from 'node:crypto'
import { startFirestoreEmulator } from '../engines/firestore-emulator.ts'
import { type EngineServer, known } from './engine-server.ts'

const ENDPOINT = 'SLUICE_E2E_FIRESTORE_ENDPOINT'

export const FIRESTORE: EngineServer = {
  kind: 'metadata',
  engine: 'firestore',
  async start() {
    const server = await startFirestoreEmulator()
    return {
      variables: { [ENDPOINT]: server.endpoint },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
  async environment() {
    return {
      SLUICE_METADATA_COLLECTION: `sluice-${randomUUID()}`,
      SLUICE_METADATA_ENDPOINT: known(ENDPOINT),
    }
  },
}
