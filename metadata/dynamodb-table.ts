/** The way to the table: a client for it, and the table itself, looked at before anything else is done. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  type TableDescription,
} from '@aws-sdk/client-dynamodb'
import { proxyFor } from '../src/lib/proxy.ts'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { attempt, waitMs } from './calls.ts'
import { failureOf } from './dynamodb-failures.ts'

export interface TableOptions {
  readonly table: string
  /** None: from AWS_REGION, or the profile. */
  readonly region?: string
  /** None: the region's own. */
  readonly endpoint?: string
  /** Makes the table where it is missing, billed on demand. */
  readonly createTable?: boolean
  /** None: the chain of the AWS SDK: variables, profile, the role of the container or machine. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** For a call to be answered, in milliseconds. */
  readonly answerMs?: number
  /** Milliseconds before the next attempt at a call, of which so many were made. */
  readonly waitMs?: (attempts: number) => number
}

const CONNECT_MS = 3000
/** DynamoDB answers in milliseconds, or not at all. */
const ANSWER_MS = 10_000
/** Calls at a time, each on a socket of its own. */
export const CALLS_MAX = 128
/** Looks at a new table until it is ready; most of them about a second apart. */
const LOOKS_MAX = 240
const KEYS = 'p:HASH:S s:RANGE:B'

/** Rejects with `StoreUnavailable`, in one line that says what to do. */
export async function openTable(options: TableOptions): Promise<DynamoDBClient> {
  const client = clientOf(options)
  try {
    await checkTable(client, options)
    return client
  } catch (error) {
    client.destroy()
    throw error instanceof StoreUnavailable ? error : unavailable(options, error)
  }
}

function clientOf({
  region,
  endpoint,
  credentials,
  answerMs = ANSWER_MS,
}: TableOptions): DynamoDBClient {
  const agent = { ...proxyFor(endpoint), keepAlive: true, maxSockets: CALLS_MAX }
  return new DynamoDBClient({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials !== undefined && { credentials }),
    // See calls.ts.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: answerMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  })
}

async function checkTable(client: DynamoDBClient, options: TableOptions): Promise<void> {
  const { table: TableName, createTable = false } = options
  const pause = (attempts: number): Promise<void> => sleep((options.waitMs ?? waitMs)(attempts))
  let found = await describe(client, options)
  if (found === undefined && !createTable)
    throw new StoreUnavailable(
      `DynamoDB has no table "${TableName}" ${placeOf(options)}: create it, or set metadata.createTable`,
    )
  if (found === undefined) await create(client, TableName)
  for (let looks = 0; !isReady(found); looks++) {
    if (looks > LOOKS_MAX)
      throw new StoreUnavailable(`DynamoDB's table "${TableName}" does not become ready`)
    if (looks > 0) await pause(looks)
    found = await describe(client, options)
  }
  const keys = keysOf(found)
  if (keys !== KEYS)
    throw new StoreUnavailable(
      `DynamoDB's table "${TableName}" is not one of Sluice's: its key is ${keys}, not ${KEYS}`,
    )
}

function isReady(table: TableDescription | undefined): table is TableDescription {
  return table?.TableStatus === 'ACTIVE' || table?.TableStatus === 'UPDATING'
}

async function describe(
  client: DynamoDBClient,
  { table: TableName, waitMs }: TableOptions,
): Promise<TableDescription | undefined> {
  const ask = () => client.send(new DescribeTableCommand({ TableName }))
  try {
    return (await attempt(ask, { failureOf, waitMs })).Table
  } catch (error) {
    if ((error as Error).name === 'ResourceNotFoundException') return undefined
    throw error
  }
}

async function create(client: DynamoDBClient, TableName: string): Promise<void> {
  try {
    await client.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [
          { AttributeName: 'p', KeyType: 'HASH' },
          { AttributeName: 's', KeyType: 'RANGE' },
        ],
        AttributeDefinitions: [
          { AttributeName: 'p', AttributeType: 'S' },
          { AttributeName: 's', AttributeType: 'B' },
        ],
      }),
    )
  } catch (error) {
    // Another gateway is at it.
    if ((error as Error).name !== 'ResourceInUseException') throw error
  }
}

/** `p:HASH:S s:RANGE:B` */
function keysOf({ KeySchema = [], AttributeDefinitions = [] }: TableDescription): string {
  const typeOf = (name: string | undefined): string | undefined =>
    AttributeDefinitions.find(({ AttributeName }) => AttributeName === name)?.AttributeType
  return KeySchema.map(
    ({ AttributeName, KeyType }) => `${AttributeName}:${KeyType}:${typeOf(AttributeName)}`,
  ).join(' ')
}

function placeOf({ region, endpoint }: TableOptions): string {
  if (endpoint !== undefined) return `at ${endpoint}`
  return region === undefined ? 'in this region' : `in ${region}`
}

const CREDENTIALS: ReadonlySet<string> = new Set([
  'ExpiredTokenException',
  'IncompleteSignatureException',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'UnrecognizedClientException',
])

function unavailable(options: TableOptions, error: unknown): StoreUnavailable {
  const { name, message } = error as Error
  const failure = failureOf(error)
  const place = `DynamoDB ${placeOf(options)}`
  const told = message.split('\n')[0] || (error as { code?: string }).code || name
  if (message === 'Region is missing')
    return new StoreUnavailable(
      'DynamoDB: no region is known: set metadata.region, or AWS_REGION',
      { cause: error },
    )
  if (name === 'CredentialsProviderError')
    return new StoreUnavailable(
      'DynamoDB: no credentials were found: set metadata.accessKeyId and its secret, or give the AWS SDK some',
      { cause: error },
    )
  const what = CREDENTIALS.has(name)
    ? `does not accept the credentials (${name}: ${told})`
    : name === 'AccessDeniedException'
      ? `denies access to the table "${options.table}" (${told})`
      : failure === 'final' || failure === 'mistake'
        ? `refuses the table "${options.table}" (${name}: ${told})`
        : `cannot be reached (${told})`
  return new StoreUnavailable(`${place} ${what}`, { cause: error })
}
