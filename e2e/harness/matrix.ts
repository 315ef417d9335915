/** Which gateways a run covers: engine pairs and transports, chosen by `e2e/run.ts` through the environment. */

export interface Target {
  readonly metadata: string
  readonly storage: string
  readonly tls: boolean
}

/** Engines without a remote service that a run covers unless told otherwise; any other (`jsonl`) is named by `--metadata`. */
export const METADATA_ENGINES: readonly string[] = ['memory', 'sqlite']
export const STORAGE_ENGINES: readonly string[] = ['memory', 'fs']

export function targets(env: NodeJS.ProcessEnv = process.env): readonly Target[] {
  const words = (name: string, all: readonly string[]): readonly string[] => {
    const text = env[name]
    return text ? text.split(',') : all
  }
  const transports = words('SLUICE_E2E_TRANSPORT', ['http', 'https'])
  return words('SLUICE_E2E_METADATA', METADATA_ENGINES).flatMap((metadata) =>
    words('SLUICE_E2E_STORAGE', STORAGE_ENGINES).flatMap((storage) =>
      transports.map((transport) => ({ metadata, storage, tls: transport === 'https' })),
    ),
  )
}

export function nameOf({ metadata, storage, tls }: Target): string {
  return `${metadata} + ${storage} over ${tls ? 'https' : 'http'}`
}
