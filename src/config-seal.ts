/**
 * The keys of `storage.seal`: read from the configuration and their files, and kept as key objects,
 * which neither a log nor JSON tells.
 */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { SealKey, SealOptions } from '../storage/sealed-keys.ts'
import { blame, ConfigError, type Raw } from './config-load.ts'
import type { Settings } from './config-schema.ts'
import { keyOf, readKey, secretKey } from './config-seal-key.ts'

const ENV = 'SLUICE_SEAL_KEY_FILE'
/** Permissions of others than the owner. */
const OTHERS = 0o077

/** The keys, that of the environment first; undefined where nothing is sealed. */
export function resolveSeal({ storage }: Settings, raw: Raw): SealOptions | undefined {
  const listed = (storage.seal?.keys ?? []).map(({ id, key, keyFile }, index): SealKey => {
    const place = blame(raw, ['storage', 'seal', 'keys', index])
    return { id, key: keyOf(key, keyFile, place) }
  })
  const file = raw.env[ENV]
  const keys = file ? [keyOfEnvironment(resolve(raw.cwd, file)), ...listed] : listed
  const ids = new Set<string>()
  for (const { id } of keys) {
    if (ids.has(id))
      throw new ConfigError([
        `${blame(raw, ['storage', 'seal'])}: the seal key ${id} is there twice`,
      ])
    ids.add(id)
  }
  return keys.length > 0 ? { keys } : undefined
}

/**
 * Where blobs are sealed, no object's bytes are kept in the metadata, which are not: 0, and a bound
 * that was asked for is refused.
 */
export function resolveInlineMax(
  { limits }: Settings,
  seal: SealOptions | undefined,
  raw: Raw,
): number {
  if (seal === undefined) return limits.inlineMax
  const asked = (raw.tree['limits'] as { inlineMax?: unknown } | undefined)?.inlineMax
  if (asked === undefined || limits.inlineMax === 0) return 0
  throw new ConfigError([
    `${blame(raw, ['limits', 'inlineMax'])}: limits.inlineMax: objects that are kept in the metadata are not sealed: with storage.seal it is 0, or unset`,
  ])
}

/** Key files that others than their owner may read: one line each. */
export function looseKeyFiles({ storage, encryption }: Settings, { env, cwd }: Raw): string[] {
  const { keys, kms } = encryption
  const all = [...(storage.seal?.keys ?? []), ...keys, ...kms.keys]
  const files = all.flatMap(({ keyFile }) => keyFile ?? [])
  if (env[ENV]) files.push(resolve(cwd, env[ENV]))
  return files
    .filter((file) => (statSync(file).mode & OTHERS) !== 0)
    .map((file) => `${file} holds a key, and others than its owner may read it (chmod 600)`)
}

/** Its id is made of the key, so that the same file is the same key wherever it is named. */
function keyOfEnvironment(file: string): SealKey {
  const key = readKey(file, ENV)
  const print = createHash('sha256').update(`sluice seal key ${key}`).digest('hex')
  return { id: `env-${print.slice(0, 12)}`, key: secretKey(key) }
}
