/** PostgreSQL, for the metadata of gateways: one server, a database each. */
import { createDatabase, startPostgres, urlOf } from '../engines/postgres-server.ts'
import { type EngineServer, known } from './engine-server.ts'

/** URL of a database beside which databases are made. */
export const POSTGRES_URL = 'SLUICE_E2E_POSTGRES_URL'

export const POSTGRES: EngineServer = {
  kind: 'metadata',
  engine: 'postgres',
  async start() {
    const server = await startPostgres()
    return {
      variables: { [POSTGRES_URL]: urlOf(server, 'postgres') },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
  async environment() {
    return { SLUICE_METADATA_URL: await createDatabase(known(POSTGRES_URL)) }
  },
}
