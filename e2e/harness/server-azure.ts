/** Azurite, for the blobs of gateways: one server, a container, a prefix each. */
import { randomUUID } from 'node:crypto'
import { startAzurite } from '../engines/azurite-server.ts'
import { type EngineServer, known } from './engine-server.ts'

const CONNECTION = 'SLUICE_E2E_AZURE_CONNECTION'
const CONTAINER = 'e2e-blobs'

export const AZURE: EngineServer = {
  kind: 'storage',
  engine: 'azure',
  async start() {
    const server = await startAzurite()
    await server.createContainer(CONTAINER)
    return {
      variables: { [CONNECTION]: server.connectionString },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
  async environment() {
    return {
      SLUICE_STORAGE_CONTAINER: CONTAINER,
      SLUICE_STORAGE_PREFIX: `${randomUUID()}/`,
      SLUICE_STORAGE_CONNECTION_STRING: known(CONNECTION),
      SLUICE_STORAGE_CHECKSUM: 'md5',
    }
  },
}
