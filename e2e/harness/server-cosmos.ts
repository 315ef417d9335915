/** A fake of Cosmos DB in the run's own process, for the metadata of gateways: a container each. */
import { randomUUID } from 'node:crypto'
import { FakeCosmos, KEY } from '../../metadata/cosmos.fake.ts'
import { type EngineServer, known } from './engine-server.ts'

const ENDPOINT = 'SLUICE_E2E_COSMOS_ENDPOINT'

export const COSMOS: EngineServer = {
  kind: 'metadata',
  engine: 'cosmos',
  async start() {
    const fake = new FakeCosmos()
    return {
      variables: { [ENDPOINT]: await fake.listen() },
      [Symbol.asyncDispose]: () => fake.close(),
    }
  },
  async environment() {
    return {
      SLUICE_METADATA_CONTAINER: `sluice-${randomUUID()}`,
      SLUICE_METADATA_CREATE_CONTAINER: 'true',
      SLUICE_METADATA_ENDPOINT: known(ENDPOINT),
      SLUICE_METADATA_KEY: KEY,
    }
  },
}
