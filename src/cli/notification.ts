/**
 * `sluice notification tail`: what happens in a bucket, as it happens, one line of JSON for each event. For as
 * long as it runs it is one of the bucket's webhooks, which it adds to those that are there, and takes away
 * at its end. The gateway has to be let tell it: `webhooks.allow` lists addresses of private networks.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type {
  Event,
  NotificationConfiguration,
  QueueConfiguration,
  S3Client,
} from '@aws-sdk/client-s3'
import { type Config, loadConfig } from '../config.ts'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import { nearHost } from '../near-host.ts'
import { type Flags, type Invocation, UsageError } from './commands.ts'
import { Interruption } from './interruption.ts'

const LISTEN = '127.0.0.1:0'
const EVENTS = 's3:ObjectCreated:*,s3:ObjectRemoved:*'
/** A message of the gateway is one event; none is longer. */
const MESSAGE_BYTES_MAX = 256 * 1024

export async function notification({ flags }: Invocation): Promise<number> {
  const bucket = flags['bucket']
  if (bucket === undefined) throw new UsageError('--bucket names the bucket to watch')
  const { config } = await loadConfig({ flags, env: process.env })
  using interruption = new Interruption('stopped')
  const client = await clientOf(config, flags['endpoint'])
  const path = `/${randomBytes(16).toString('hex')}`
  const server = createServer((request, response) => void take(request, response, path))
  try {
    const url = (await listenAt(server, flags['listen'] ?? LISTEN)) + path
    const listener = listenerOf(url, flags)
    await change(client, bucket, (others) => [...others, listener])
    try {
      process.stderr.write(`events of ${bucket} come to ${url}\n`)
      await once(interruption.signal, 'abort')
    } finally {
      await change(client, bucket, (all) => all.filter(({ Id }) => Id !== listener.Id))
    }
    return 0
  } finally {
    server.close()
    server.closeAllConnections()
    client.destroy()
  }
}

async function clientOf(config: Config, endpoint: string | undefined): Promise<S3Client> {
  const sdk = await import('@aws-sdk/client-s3')
  const { host, port, tls, region, credentials } = config
  const own = `${tls === undefined ? 'http' : 'https'}://${nearHost(host)}:${port}`
  const [first] = credentials
  // Without credentials in the configuration those of the AWS tools are used.
  const keys = first && { accessKeyId: first.accessKeyId, secretAccessKey: first.secretAccessKey }
  return new sdk.S3Client({
    endpoint: endpoint ?? own,
    region,
    forcePathStyle: true,
    ...(keys !== undefined && { credentials: keys }),
  })
}

async function listenAt(server: Server, place: string): Promise<string> {
  const colon = place.lastIndexOf(':')
  const [host, port] = [place.slice(0, colon), place.slice(colon + 1)]
  if (colon < 1 || !/^\d{1,5}$/.test(port)) throw new UsageError('--listen is HOST:PORT')
  server.listen(Number(port), host.replace(/^\[|\]$/g, ''))
  await once(server, 'listening')
  return `http://${host}:${(server.address() as AddressInfo).port}`
}

/** Names what it is, so that one that was killed can be told from others. */
function listenerOf(url: string, flags: Flags): QueueConfiguration {
  const rules = (['prefix', 'suffix'] as const).flatMap((Name) => {
    const Value = flags[Name]
    return Value === undefined ? [] : [{ Name, Value }]
  })
  return {
    Id: `sluice-notification-tail-${randomBytes(6).toString('hex')}`,
    QueueArn: url,
    Events: (flags['events'] ?? EVENTS).split(',') as Event[],
    ...(rules.length > 0 && { Filter: { Key: { FilterRules: rules } } }),
  }
}

/** Changes the bucket's webhooks, and leaves all else of its notifications as it is. */
async function change(
  client: S3Client,
  Bucket: string,
  to: (queues: readonly QueueConfiguration[]) => readonly QueueConfiguration[],
): Promise<void> {
  const sdk = await import('@aws-sdk/client-s3')
  try {
    const { $metadata: _, ...before } = await client.send(
      new sdk.GetBucketNotificationConfigurationCommand({ Bucket }),
    )
    const NotificationConfiguration: NotificationConfiguration = {
      ...before,
      QueueConfigurations: [...to(before.QueueConfigurations ?? [])],
    }
    const put = { Bucket, NotificationConfiguration }
    await client.send(new sdk.PutBucketNotificationConfigurationCommand(put))
  } catch (error) {
    const { name, message } = error as Error
    throw new MaintenanceError(`${Bucket}: ${name}: ${message}`)
  }
}

/** Takes a message and prints its events. Who does not know the path is nobody of ours. */
async function take(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  try {
    if (request.method !== 'POST' || request.url !== path) {
      response.writeHead(404).end()
      return
    }
    let text = ''
    for await (const chunk of request) {
      text += String(chunk)
      if (text.length > MESSAGE_BYTES_MAX) throw new Error('too long')
    }
    const { Records } = JSON.parse(text) as { readonly Records?: readonly unknown[] }
    for (const record of Records ?? []) process.stdout.write(`${JSON.stringify(record)}\n`)
    response.writeHead(200).end()
  } catch {
    response.writeHead(400).end()
  }
}
