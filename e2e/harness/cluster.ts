/**
 * Several gateways over one database and one S3, with one endpoint that spreads the requests over them. Any
 * of them can be killed and started again, at the same port, while the others serve.
 */
import { freePort } from './free-port.ts'
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
    const startAt = async (port: number): Promise<Gateway> =>
      startProcess({ metadata, storage, port, engine, env })
    for (let index = 0; index < count; index++) members.push(await startAt(await freePort()))
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
        members[index] = await startAt(member.port)
      },
      stop: async () => void (await whole.stop()),
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  } catch (error) {
    await closing.disposeAsync()
    throw error
  }
}
