/** fake-gcs-server, for the blobs of gateways: one server, a bucket and a prefix each. */
import { randomUUID } from 'node:crypto'
import { startFakeGcs } from '../engines/fake-gcs-server.ts'
import { type EngineServer, known } from './engine-server.ts'

const ENDPOINT = 'SLUICE_E2E_GCS_ENDPOINT'
const BUCKET = 'e2e-blobs'

export const GCS: EngineServer = {
  kind: 'storage',
  engine: 'gcs',
  async start() {
    const server = await startFakeGcs()
    await server.createBucket(BUCKET)
    return {
      variables: { [ENDPOINT]: server.endpoint },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
  async environment() {
    return {
      SLUICE_STORAGE_BUCKET: BUCKET,
      SLUICE_STORAGE_PREFIX: `${randomUUID()}/`,
      SLUICE_STORAGE_ENDPOINT: known(ENDPOINT),
    }
  },
}
