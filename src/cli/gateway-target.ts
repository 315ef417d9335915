/** The running gateway that a command speaks to: the configured one, or the one that is named. */
import { type Config, loadConfig } from '../config.ts'
import { storedCredentials } from '../data-folder.ts'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import { nearHost } from '../near-host.ts'
import type { Flags } from './commands.ts'
import type { Target } from './signed-request.ts'

/** The gateway of this configuration, on this machine. */
export function targetOf(config: Config): Target {
  const scheme = config.tls ? 'https' : 'http'
  const endpoint = `${scheme}://${nearHost(config.host)}:${config.port}`
  return { endpoint, region: config.region, credential: credentialOf(config), isNear: true }
}

/** Of `--endpoint`, with credentials as aws-cli takes them of the environment; else of `--config`. */
export async function targetOfFlags(
  { endpoint, config: file }: Flags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Target> {
  if (endpoint === undefined) {
    const { config } = await loadConfig({ flags: { config: file }, env })
    return targetOf(config)
  }
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env
  if (!accessKeyId || !secretAccessKey)
    throw new MaintenanceError(
      '--endpoint needs credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    )
  if (!URL.canParse(endpoint) || !/^https?:/i.test(endpoint))
    throw new MaintenanceError(`--endpoint is a URL, http:// or https://, not ${endpoint}`)
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? 'us-east-1'
  const credential = { accessKeyId, secretAccessKey }
  return { endpoint: endpoint.replace(/\/+$/, ''), region, credential, isNear: false }
}

function credentialOf({ credentials, data }: Config): Target['credential'] {
  const credential = credentials[0] ?? storedCredentials(data)
  if (credential === undefined)
    throw new MaintenanceError(`no credentials: neither configured nor in ${data}`)
  return credential
}
