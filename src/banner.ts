/** What the gateway says once it listens: a page for a person at a terminal. Nothing of it goes into a pipe. */
import type { Config } from './config.ts'
import type { Server } from './server.ts'

const BOLD = '\u001b[1m'
const PLAIN = '\u001b[0m'

/**
 * The page. Secrets are shown where the gateway has made them itself, for nobody else knows them yet;
 * those that were configured are not.
 */
export function banner(config: Config, server: Server): string {
  const { url, controlUrl, credentials, credentialsFile } = server
  const [root] = credentials
  const isShown = credentialsFile !== undefined
  const facts: [string, string][] = [
    ['endpoint', `${config.publicUrl ?? url}${isOnAll(config.host) ? ' (on all addresses)' : ''}`],
    ['region', config.region],
    ['access key', root?.accessKeyId ?? ''],
    ['secret key', isShown ? (root?.secretAccessKey ?? '') : '(as configured)'],
  ]
  if (isShown) facts.push(['', `both are kept in ${credentialsFile}`])
  if (controlUrl !== undefined) facts.push(['control', `${controlUrl}/readyz, /metrics, /docs`])
  facts.push(['metadata', engineText(config.metadata)], ['storage', engineText(config.storage)])
  const { seal } = config.storage
  if (seal) facts.push(['sealed', `blobs, with the key ${seal.keys[0]?.id}; metadata is in clear`])
  facts.push(['durability', durabilityText(config)])
  const lines = facts.map(([name, value]) => `  ${name.padEnd(11)} ${value}`)
  return [
    '',
    `${BOLD}Sluice is listening.${PLAIN}`,
    '',
    ...lines,
    '',
    ...tryIt(config, server),
    '',
  ].join('\n')
}

/** Whether what a 200 acknowledges survives a power cut. */
export function isDurable({ metadata, storage }: Config): boolean {
  return metadata.engine !== 'memory' && storage.engine !== 'memory'
}

export function durabilityText(config: Config): string {
  if (isDurable(config))
    return 'a 200 means that data and metadata are on stable storage (fsync), power cuts included'
  const lost = config.metadata.engine === 'memory' ? 'metadata' : 'storage'
  const both = config.metadata.engine === config.storage.engine ? 'everything' : lost
  return `NONE: ${both} is in memory; all objects are gone when this process ends`
}

function engineText(options: { readonly engine: string; readonly path?: string }): string {
  return options.path === undefined ? options.engine : `${options.engine} (${options.path})`
}

function tryIt(config: Config, { url, credentials, credentialsFile }: Server): string[] {
  const [root] = credentials
  const secret =
    credentialsFile === undefined ? '"$SLUICE_ROOT_SECRET_KEY"' : (root?.secretAccessKey ?? '')
  const aws = `aws --endpoint-url ${url} s3`
  return [
    '  Try it (aws-cli):',
    `  export AWS_ACCESS_KEY_ID=${root?.accessKeyId ?? ''} AWS_SECRET_ACCESS_KEY=${secret} AWS_DEFAULT_REGION=${config.region}`,
    `  ${aws} mb s3://demo`,
    `  ${aws} cp README.md s3://demo/README.md`,
    `  ${aws} ls s3://demo`,
    `  ${aws} cp s3://demo/README.md -`,
  ]
}

function isOnAll(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
