/** The DynamoDB engine against DynamoDB Local. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import { metadataContract } from '../../metadata/contract.ts'
import { DynamodbStore } from '../../metadata/dynamodb.ts'
import { type DynamodbLocal, startDynamodbLocal } from './dynamodb-local.ts'

let local: DynamodbLocal
beforeAll(async () => {
  local = await startDynamodbLocal()
})
afterAll(async () => local[Symbol.asyncDispose]())

metadataContract(
  'dynamodb',
  () =>
    DynamodbStore.open({
      table: `rows-${randomUUID()}`,
      region: 'us-east-1',
      endpoint: local.endpoint,
      credentials: local.credentials,
      createTable: true,
    }),
  { runs: 4 },
)
