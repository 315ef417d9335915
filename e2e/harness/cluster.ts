/**
 * Several gateways over one database and one S3, with one endpoint that spreads the requests over them. Any
 * of them can be killed and started again, at the same port, while the others serve.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  engineEnvironment,
  type Gateway,
  type GatewayOptions,
  startProcess,
} from './gateway-process.ts'
import { startSplitter } from './splitter.ts'
import { startUpstream } from './upstream.ts'

export interface ClusterOptions extends Pick<
  GatewayOptions,
  'metadata' | 'storage' | 'tls' | 'env'
> {
  /** Gateways. */
  readonly count: number
}

export interface Cluster extends AsyncDisposable {
  /** One of each gateway, the same while it is killed and started again. */
  readonly endpoints: readonly string[]
  /** All of them as one, which ends with all that belongs to it. */
  readonly gateway: Gateway
  /** The environment of each, to run another program on their stores. */
  readonly env: Readonly<Record<string, string>>
  /** `kill -9`, and resolves when it serves again. */
  killAndStart(index: number): Promise<void>
  /** Ends all gateways in order; the stores stay. */
  stop(): Promise<void>
}

/** On engines that gateways share, without TLS. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { count, metadata = 'postgres', storage = 's3' } = options
  if (storage !== 's3' || options.tls === true)
    throw new Error('several gateways are tested over http, with the storage s3')
  const engine = await engineEnvironment(metadata)
  const closing = new AsyncDisposableStack()
  try {
    const upstream = closing.use(await startUpstream())
    const env = { ...upstream.settings, ...options.env }
    const members: Gateway[] = []
    closing.defer(async () => {
      for (const member of members) await member[Symbol.asyncDispose]()
    })
    const start = (port?: number): Promise<Gateway> =>
      untilFree(() => startProcess({ metadata, storage, engine, env, ...(port && { port }) }))
    for (let index = 0; index < count; index++) members.push(await start())
    const splitter = closing.use(await startSplitter(members.map(({ port }) => port)))
    const [first] = members
    const whole: Gateway = {
      ...first!,
      endpoint: splitter.endpoint,
      port: splitter.port,
      output: () => members.map((member) => member.output()).join('\n'),
      kill: async () => void (await Promise.all(members.map((member) => member.kill()))),
      stop: async () => (await Promise.all(members.map((member) => member.stop())))[0]!,
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
    return {
      endpoints: members.map(({ endpoint }) => endpoint),
      gateway: whole,
      env: { ...engine, ...env, SLUICE_METADATA: metadata, SLUICE_STORAGE: storage },
      async killAndStart(index) {
        const member = members[index]!
        await member[Symbol.asyncDispose]()
        members[index] = await start(member.port)
      },
      stop: async () => void (await whole.stop()),
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  } catch (error) {
    await closing.disposeAsync()
    throw error
  }
}

const TRIES = 20

/** Again, where somebody's connection was given the port meanwhile: the system hands out what is free. */
async function untilFree(start: () => Promise<Gateway>): Promise<Gateway> {
  for (let tries = 1; ; tries++) {
    try {
      return await start()
    } catch (error) {
      if (tries === TRIES || !String(error).includes('is taken by another program')) throw error
      await sleep(250)
    }
  }
}
