/**
 * vitest's global set-up: starts the servers of engines that need one, where the run asks for them, and
 * stops them at its end. Each gateway gets a database of its own (`gateway.ts`).
 */
import { randomUUID } from 'node:crypto'
import { FakeCosmos, KEY } from '../../metadata/cosmos.fake.ts'
import { startDynamodbLocal } from '../engines/dynamodb-local.ts'
import { startFirestoreEmulator } from '../engines/firestore-emulator.ts'
import { startPostgres, urlOf } from '../engines/postgres-server.ts'

/** URL of a database beside which databases are made. */
export const POSTGRES_URL = 'SLUICE_E2E_POSTGRES_URL'

/** Endpoint of DynamoDB Local, where tables are made. */
const DYNAMODB_ENDPOINT = 'SLUICE_E2E_DYNAMODB_ENDPOINT'
/** Of Google's emulator, where collections are made. */
const FIRESTORE_ENDPOINT = 'SLUICE_E2E_FIRESTORE_ENDPOINT'
/** Of a fake of Cosmos DB in this process, where containers are made. */
const COSMOS_ENDPOINT = 'SLUICE_E2E_COSMOS_ENDPOINT'

export default async function setup(): Promise<() => Promise<void>> {
  const words = process.env['SLUICE_E2E_METADATA']?.split(',') ?? []
  const servers: AsyncDisposable[] = []
  if (words.includes('postgres')) {
    const server = await startPostgres()
    servers.push(server)
    process.env[POSTGRES_URL] = urlOf(server, 'postgres')
  }
  if (words.includes('dynamodb')) {
    const server = await startDynamodbLocal()
    servers.push(server)
    process.env[DYNAMODB_ENDPOINT] = server.endpoint
  }
  if (words.includes('firestore')) {
    const server = await startFirestoreEmulator()
    servers.push(server)
    process.env[FIRESTORE_ENDPOINT] = server.endpoint
  }
  if (words.includes('cosmos')) {
    const fake = new FakeCosmos()
    process.env[COSMOS_ENDPOINT] = await fake.listen()
    servers.push({ [Symbol.asyncDispose]: () => fake.close() })
  }
  return async () => {
    for (const server of servers) await server[Symbol.asyncDispose]()
  }
}

/** What a gateway has to be told for a table of its own. */
export function dynamodbEnvironment(): Record<string, string> {
  const endpoint = process.env[DYNAMODB_ENDPOINT]
  if (endpoint === undefined) throw new Error('no DynamoDB Local was started for this run')
  return {
    SLUICE_METADATA_TABLE: `sluice-${randomUUID()}`,
    SLUICE_METADATA_CREATE_TABLE: 'true',
    SLUICE_METADATA_ENDPOINT: endpoint,
    SLUICE_METADATA_REGION: 'us-east-1',
    SLUICE_METADATA_ACCESS_KEY: 'AKIALOCAL',
    SLUICE_METADATA_SECRET_KEY: 'local-secret',
  }
}

/** What a gateway has to be told for a collection of its own. */
export function firestoreEnvironment(): Record<string, string> {
  const endpoint = process.env[FIRESTORE_ENDPOINT]
  if (endpoint === undefined) throw new Error('no Firestore emulator was started for this run')
  return {
    SLUICE_METADATA_COLLECTION: `sluice-${randomUUID()}`,
    SLUICE_METADATA_ENDPOINT: endpoint,
  }
}

/** What a gateway has to be told for a container of its own. */
export function cosmosEnvironment(): Record<string, string> {
  const endpoint = process.env[COSMOS_ENDPOINT]
  if (endpoint === undefined) throw new Error('no fake of Cosmos DB was started for this run')
  return {
    SLUICE_METADATA_CONTAINER: `sluice-${randomUUID()}`,
    SLUICE_METADATA_CREATE_CONTAINER: 'true',
    SLUICE_METADATA_ENDPOINT: endpoint,
    SLUICE_METADATA_KEY: KEY,
  }
}
