/**
 * The merged configuration as a YAML file: each value with where it came from behind it, secrets left
 * out. What is printed is a configuration file once its secrets are filled in.
 */
import type { Config, Loaded } from './config.ts'
import { OPTIONS, type Option } from './config-options.ts'
import type { Path, Raw } from './config-load.ts'

/** Too short to pass for a secret, should the output be used as a file. */
const REDACTED = '***'
const COMMENT_COLUMN = 44
/** Stands with the keys that it is one of. */
const DEFAULT_KEY = 'encryption.kms.defaultKey'

export function printConfig({ config, raw }: Loaded): string {
  const lines: string[] = []
  const sections: string[] = []
  for (const option of OPTIONS) {
    const path = option.key.split('.')
    const value = valueAt(raw.tree, path) ?? option.preset
    if (value === undefined || option.key === DEFAULT_KEY) continue
    for (let depth = 0; depth < path.length - 1; depth++) {
      if (sections[depth] === path[depth]) continue
      sections.splice(depth, Infinity, path[depth]!)
      lines.push(`${'  '.repeat(depth)}${path[depth]}:`)
    }
    sections.splice(path.length - 1)
    const text = `${'  '.repeat(path.length - 1)}${path.at(-1)}: ${shown(option, value)}`
    lines.push(commented(text, raw.origin(path) ?? 'default'))
    if (option.key === 'storage.engine') lines.push(...sealLines(config, raw))
  }
  lines.push(...encryptionLines(config, raw), ...replicationLines(config, raw))
  lines.push(config.credentials.length > 0 ? 'credentials:' : generated(config.data))
  for (const { accessKeyId, displayName, userId } of config.credentials) {
    lines.push(
      commented(`  - accessKeyId: ${scalar(accessKeyId)}`, credentialOrigin(raw, accessKeyId)),
    )
    lines.push(`    secretAccessKey: ${scalar(REDACTED)}`)
    lines.push(`    displayName: ${scalar(displayName)}`, `    userId: ${scalar(userId)}`)
  }
  return `${lines.join('\n')}\n`
}

function sealLines({ storage }: Config, raw: Raw): string[] {
  if (storage.seal === undefined) return []
  const keys = keyLines(storage.seal.keys, raw, ['storage', 'seal', 'keys'])
  return ['  seal:', ...keys]
}

function encryptionLines({ encryption }: Config, raw: Raw): string[] {
  const { s3, kms, kmsDefault } = encryption
  const own = s3.length === 0 ? [] : keyLines(s3, raw, ['encryption', 'keys'])
  const keyring = kms.length === 0 ? [] : keyLines(kms, raw, ['encryption', 'kms', 'keys'])
  if (kmsDefault !== undefined) {
    const origin = raw.origin(DEFAULT_KEY.split('.')) ?? 'configuration'
    keyring.unshift(commented(`    defaultKey: ${scalar(kmsDefault)}`, origin))
  }
  if (keyring.length > 0) keyring.unshift('  kms:')
  const lines = [...own, ...keyring]
  return lines.length === 0 ? [] : ['encryption:', ...lines]
}

function replicationLines({ replication }: Config, raw: Raw): string[] {
  if (replication.length === 0) return []
  const lines = ['replication:', '  targets:']
  for (const [index, { bucket, ...target }] of replication.entries()) {
    const origin = raw.origin(['replication', 'targets', index]) ?? 'configuration'
    lines.push(commented(`    - bucket: ${scalar(bucket)}`, origin))
    for (const [name, value] of Object.entries(target)) {
      if (value === undefined) continue
      lines.push(`      ${name}: ${scalar(name === 'secretAccessKey' ? REDACTED : value)}`)
    }
  }
  return lines
}

/** The keys of a list by their ids, each with where it comes from; `path` ends in `keys`. */
function keyLines(keys: readonly { readonly id: string }[], raw: Raw, path: Path): string[] {
  const listed = (valueAt(raw.tree, path) ?? []) as { id?: unknown }[]
  const indent = '  '.repeat(path.length - 1)
  const lines = [`${indent}keys:`]
  for (const key of keys) {
    const { id } = key
    const index = listed.findIndex((each) => each.id === id)
    const origin = index < 0 ? 'SLUICE_SEAL_KEY_FILE' : raw.origin([...path, index])
    lines.push(commented(`${indent}  - id: ${scalar(id)}`, origin ?? 'configuration'))
    lines.push(`${indent}    key: ${scalar(REDACTED)}`)
    for (const [name, value] of Object.entries(key))
      if (name === 'arn' || name === 'state') lines.push(`${indent}    ${name}: ${scalar(value)}`)
  }
  return lines
}

function valueAt(tree: unknown, path: Path): unknown {
  let at = tree
  for (const segment of path) at = (at as Record<string, unknown> | undefined)?.[segment]
  return at
}

function shown(option: Option, value: unknown): string {
  if (option.secret) return scalar(REDACTED)
  return Array.isArray(value) ? `[${value.map(scalar).join(', ')}]` : scalar(value)
}

/** A YAML scalar: bare where nothing could be misread in it. */
function scalar(value: unknown): string {
  const text = String(value)
  return typeof value === 'number' || BARE.test(text) ? text : JSON.stringify(text)
}

/** A word or a path that is no YAML keyword, or a number with its unit. */
const BARE =
  /^(?!(true|false|null|yes|no|on|off|y|n)$)([A-Za-z./][\w./-]*|\d+[A-Za-df-z][A-Za-z]*)$/i

function commented(text: string, origin: string): string {
  return `${text.padEnd(COMMENT_COLUMN - 1)} # ${origin}`
}

function generated(data: string): string {
  return commented('credentials: []', `default: made at the first start, kept in ${data}`)
}

function credentialOrigin(raw: Raw, accessKeyId: string): string {
  const listed = raw.tree['credentials']
  const index = Array.isArray(listed)
    ? listed.findIndex((item) => (item as { accessKeyId?: unknown }).accessKeyId === accessKeyId)
    : -1
  const env = raw.env['SLUICE_ROOT_ACCESS_KEY'] ?? raw.env['SLUICE_ROOT_ACCESS_KEY_FILE']
  const fromEnv = index < 0 || env === accessKeyId
  return fromEnv
    ? 'SLUICE_ROOT_ACCESS_KEY'
    : (raw.origin(['credentials', index]) ?? 'configuration')
}
