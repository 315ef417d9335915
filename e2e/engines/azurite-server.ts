/**
 * Azure Blob Storage as Azurite has it, Microsoft's own emulator: a process of its own, in memory, on a
 * free port of 127.0.0.1. The npm package is installed into a folder of its own, once.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { freePort } from '../harness/free-port.ts'
import { npmProgram } from './installed.ts'
import { ended, untilListening } from './process.ts'

const VERSION = '3.35.0'
const ACCOUNT = 'sluicetests'
/** Of this account, which is nobody's. */
const KEY = Buffer.from('the key of an account that is nobody has').toString('base64')

export interface Azurite extends AsyncDisposable {
  readonly account: string
  readonly accountKey: string
  /** Of the account's blobs. */
  readonly endpoint: string
  readonly connectionString: string
  /** Makes an empty container. */
  createContainer(name: string): Promise<void>
}

/** Finds or installs what is needed; rejects where that cannot be. */
export async function prepareAzure(): Promise<void> {
  npmProgram('azurite', VERSION)
}

export async function startAzurite(): Promise<Azurite> {
  const port = await freePort()
  const main = join(npmProgram('azurite', VERSION), 'dist', 'src', 'blob', 'main.js')
  const place = ['--blobHost', '127.0.0.1', '--blobPort', String(port), '--inMemoryPersistence']
  const options = ['--skipApiVersionCheck', '--disableTelemetry', '--silent']
  const child = spawn(process.execPath, [main, ...place, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY}` },
  })
  const written: string[] = []
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => written.push(text.toString()))
  await untilListening('Azurite', child, port, () => written.join(''))
  const endpoint = `http://127.0.0.1:${port}/${ACCOUNT}`
  const words = `AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=${endpoint};`
  const connectionString = `DefaultEndpointsProtocol=http;${words}`
  // Every end-to-end test loads this file, and few of them the SDK.
  const { BlobServiceClient } = await import('@azure/storage-blob')
  const service = BlobServiceClient.fromConnectionString(connectionString)
  return {
    account: ACCOUNT,
    accountKey: KEY,
    endpoint,
    connectionString,
    createContainer: async (name) => void (await service.createContainer(name)),
    [Symbol.asyncDispose]: () => ended(child),
  }
}
