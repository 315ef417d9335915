/** A secret of a section that may stand in the configuration, or in a file of its own. */
import { resolve } from 'node:path'
import { blame, ConfigError, type Raw } from './config-load.ts'

/** Reads the file of a secret; `place` goes in front of what it says of a file that cannot be. */
export type ReadSecret = (file: string, place: string) => string

/** `accountKey`, or what is in the file that `accountKeyFile` names; never both. */
export function secretOf<Key extends string>(
  section: 'storage' | 'metadata',
  settings: { readonly [K in Key | `${Key}File`]?: string | undefined },
  key: Key,
  raw: Raw,
  readSecret: ReadSecret,
): string | undefined {
  const value: string | undefined = settings[key]
  const file: string | undefined = settings[`${key}File`]
  if (file === undefined) return value
  const place = `${blame(raw, [section, `${key}File`])}: `
  if (value !== undefined)
    throw new ConfigError([`${place}${section}: either ${key} or ${key}File is meant, not both`])
  return readSecret(resolve(raw.cwd, file), place)
}
