/**
 * The keys of `encryption`: those that SSE-S3 wraps data keys with, and the KMS keyring. Read from the
 * configuration and their files, and kept as key objects, which neither a log nor JSON tells.
 */
import * as z from 'zod'
import { blame, ConfigError, type Raw } from './config-load.ts'
import { keyOf, keySettings, type KeySettings } from './config-seal-key.ts'
import type { EncryptionKeys, KmsKey } from './s3/keyring.ts'

export interface EncryptionSettings {
  keys: KeySettings[]
  kms: { defaultKey?: string | undefined; keys: KmsKeySettings[] }
}

export interface KmsKeySettings extends KeySettings {
  arn?: string | undefined
  state: 'enabled' | 'disabled' | 'pending-deletion'
}

const KMS_KEY = {
  arn: z
    .string()
    .regex(
      /^arn:[a-z-]+:kms:[a-z0-9-]*:\d{12}:key\/[^/]+$/,
      'an ARN is written arn:aws:kms:REGION:ACCOUNT:key/ID, the account with 12 digits',
    )
    .optional(),
  state: z.enum(['enabled', 'disabled', 'pending-deletion']).default('enabled'),
}

export const ENCRYPTION: z.ZodType<EncryptionSettings> = z
  .strictObject({
    keys: z.array(keySettings({})).prefault([]),
    kms: z
      .strictObject({
        defaultKey: z.string().min(1).optional(),
        keys: z.array(keySettings(KMS_KEY) as unknown as z.ZodType<KmsKeySettings>).prefault([]),
      })
      .prefault({}),
  })
  .prefault({})

/** The keys as they are used. Throws `ConfigError` where an id is there twice, or a default is not there. */
export function resolveEncryption({ keys, kms }: EncryptionSettings, raw: Raw): EncryptionKeys {
  const own = keys.map(({ id, key, keyFile }, index) => {
    const place = blame(raw, ['encryption', 'keys', index])
    return { id, key: keyOf(key, keyFile, place) }
  })
  const listed = kms.keys.map(({ id, key, keyFile, arn, state }, index): KmsKey => {
    const place = blame(raw, ['encryption', 'kms', 'keys', index])
    return { id, key: keyOf(key, keyFile, place), state, ...(arn !== undefined && { arn }) }
  })
  refuseDoubles(own, blame(raw, ['encryption', 'keys']))
  refuseDoubles(listed, blame(raw, ['encryption', 'kms', 'keys']))
  const { defaultKey } = kms
  if (defaultKey === undefined) return { s3: own, kms: listed }
  if (!listed.some(({ id, arn }) => id === defaultKey || arn === defaultKey))
    throw new ConfigError([
      `${blame(raw, ['encryption', 'kms', 'defaultKey'])}: encryption.kms.defaultKey: there is no key ${defaultKey} among encryption.kms.keys`,
    ])
  return { s3: own, kms: listed, kmsDefault: defaultKey }
}

function refuseDoubles(
  keys: readonly { readonly id: string; readonly arn?: string }[],
  place: string,
): void {
  const seen = new Set<string>()
  for (const name of keys.flatMap(({ id, arn }) => (arn === undefined ? [id] : [id, arn]))) {
    if (seen.has(name)) throw new ConfigError([`${place}: the key ${name} is there twice`])
    seen.add(name)
  }
}
