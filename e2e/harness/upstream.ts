/** The S3 that gateways with the storage `s3` keep their blobs in: a gateway on memory engines. */
import { ACCESS_KEY, type Gateway, SECRET_KEY, startProcess } from './gateway-process.ts'

const BUCKET = 'upstream-blobs'

export interface Upstream extends AsyncDisposable {
  readonly gateway: Gateway
  /** What the gateways before it have to be told. */
  readonly settings: Readonly<Record<string, string>>
}

export async function startUpstream(): Promise<Upstream> {
  const env = { SLUICE_BUCKETS: BUCKET }
  const gateway = await startProcess({ metadata: 'memory', storage: 'memory', env })
  return {
    gateway,
    settings: {
      SLUICE_STORAGE_BUCKET: BUCKET,
      SLUICE_STORAGE_PREFIX: 'e2e/',
      SLUICE_STORAGE_ENDPOINT: gateway.endpoint,
      SLUICE_STORAGE_PATH_STYLE: 'true',
      SLUICE_STORAGE_ACCESS_KEY: ACCESS_KEY,
      SLUICE_STORAGE_SECRET_KEY: SECRET_KEY,
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}
