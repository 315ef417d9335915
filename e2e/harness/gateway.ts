/**
 * A gateway of one's own, as a test asks for one: a process, with the S3 behind it where it needs one; or, in a
 * run with SLUICE_E2E_GATEWAYS=2, two of them behind one endpoint.
 */
import { startCluster } from './cluster.ts'
import { type Gateway, type GatewayOptions, startProcess } from './gateway-process.ts'
import { startUpstream } from './upstream.ts'

export { freePort } from './free-port.ts'
export {
  ACCESS_KEY,
  cpuOf,
  type Gateway,
  type GatewayOptions,
  memoryOf,
  SECRET_KEY,
} from './gateway-process.ts'

/** With the storage `s3` its blobs are in another gateway, on memory engines, that ends with it. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const count = Number(process.env['SLUICE_E2E_GATEWAYS'] ?? 1)
  if (count > 1) return (await startCluster({ ...options, count })).gateway
  if (options.storage !== 's3') return startProcess(options)
  const upstream = await startUpstream()
  try {
    const env = { ...upstream.settings, ...options.env }
    const gateway = await startProcess({ ...options, env })
    return {
      ...gateway,
      async [Symbol.asyncDispose]() {
        await gateway[Symbol.asyncDispose]()
        await upstream[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await upstream[Symbol.asyncDispose]()
    throw error
  }
}
