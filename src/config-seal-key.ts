/** A key of 32 bytes in the configuration: an id, and the key in Base64 or the file that holds it. */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { ConfigError } from './config-load.ts'

export interface KeySettings {
  id: string
  key?: string | undefined
  keyFile?: string | undefined
}

/** 32 bytes in Base64: what `openssl rand -base64 32` writes. */
const KEY: RegExp = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/

/** The schema of such a key, with further members beside it. */
export function keySettings(more: z.core.$ZodLooseShape): z.ZodType<KeySettings> {
  return z
    .strictObject({
      /** Stands in clear beside what the key has sealed. */
      id: z
        .string()
        .regex(/^[A-Za-z0-9_.-]{1,32}$/, 'a key id has 1 to 32 letters, digits, "_", "." and "-"'),
      key: z
        .string()
        .regex(KEY, 'a key is 32 bytes in Base64 (openssl rand -base64 32)')
        .optional(),
      keyFile: z.string().min(1).optional(),
      ...more,
    })
    .refine(({ key, keyFile }) => (key === undefined) !== (keyFile === undefined), {
      message: 'a key needs either key or keyFile',
    })
}

/** The key itself. `place`: where the configuration names it. */
export function keyOf(
  key: string | undefined,
  keyFile: string | undefined,
  place: string,
): KeyObject {
  // The schema has made sure that one of the two is there.
  return secretKey(key ?? readKey(keyFile!, place))
}

export function secretKey(key: string): KeyObject {
  return createSecretKey(Buffer.from(key, 'base64'))
}

/** A key in Base64, from its file. */
export function readKey(file: string, place: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([`${place}: ${file} cannot be read (${code})`])
  }
  if (KEY.test(text)) return text
  throw new ConfigError([
    `${place}: ${file} holds no key: 32 bytes in Base64 are expected (openssl rand -base64 32)`,
  ])
}
