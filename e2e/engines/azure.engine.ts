/** The storage `azure` before Azurite, which verifies signatures and MD5. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SILENT } from '../../src/lib/meter.ts'
import { openStorage, type StorageOptions } from '../../storage/open.ts'
import { type Azurite, startAzurite } from './azurite-server.ts'
import { realServicePromises } from './remote-storage.ts'

const CONTAINER = 'blobs'
let server: Azurite
let prefixes = 0
beforeAll(async () => {
  server = await startAzurite()
  await server.createContainer(CONTAINER)
})
afterAll(async () => server[Symbol.asyncDispose]())

function somewhere(endpoint: string): StorageOptions {
  const { account, accountKey } = server
  return {
    engine: 'azure',
    container: CONTAINER,
    prefix: `p${(prefixes += 1)}/`,
    endpoint: `${endpoint}/${account}`,
    account,
    accountKey,
    checksum: 'md5',
    maxAttempts: 3,
  }
}

const origin = (): string => new URL(server.endpoint).origin

realServicePromises('azure before Azurite', {
  endpoint: origin,
  somewhere,
  requests: [/^PUT .*comp=block&/, /^PUT .*comp=blocklist/, /^PUT [^?]*$/, /^GET [^?]*$/],
  get: /^GET [^?]*$/,
})

test.each<[string, Partial<Extract<StorageOptions, { engine: 'azure' }>>, RegExp]>([
  ['a wrong key', { accountKey: Buffer.from('another').toString('base64') }, /mend storage.acc/],
  ['a missing container', { container: 'not-there' }, /there is no such container/],
])('%s is found out at the opening', async (_, wrong, line) => {
  const opening = openStorage({ ...somewhere(origin()), ...wrong } as StorageOptions, SILENT)
  await expect(opening).rejects.toThrow(line)
})

test('a connection string says it all', async () => {
  const { connectionString } = server
  const options = { engine: 'azure', container: CONTAINER, connectionString } as const
  await using storage = await openStorage({ ...options, prefix: 'string/' }, SILENT)
  expect(storage.name).toBe('azure')
})
