/** DynamoDB Local, for the metadata of gateways: one server, a table each. */
import { randomUUID } from 'node:crypto'
import { startDynamodbLocal } from '../engines/dynamodb-local.ts'
import { type EngineServer, known } from './engine-server.ts'

const ENDPOINT = 'SLUICE_E2E_DYNAMODB_ENDPOINT'

export const DYNAMODB: EngineServer = {
  kind: 'metadata',
  engine: 'dynamodb',
  async start() {
    const server = await startDynamodbLocal()
    return {
      variables: { [ENDPOINT]: server.endpoint },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
  async environment() {
    return {
      SLUICE_METADATA_TABLE: `sluice-${randomUUID()}`,
      SLUICE_METADATA_CREATE_TABLE: 'true',
      SLUICE_METADATA_ENDPOINT: known(ENDPOINT),
      SLUICE_METADATA_REGION: 'us-east-1',
      SLUICE_METADATA_ACCESS_KEY: 'AKIALOCAL',
      SLUICE_METADATA_SECRET_KEY: 'local-secret',
    }
  },
}
