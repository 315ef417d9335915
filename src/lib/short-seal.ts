/**
 * A short text sealed under a key that seals many: AES-256-GCM under a key made of it and of 16 random
 * bytes (HKDF-SHA256), so that the number of texts is not bounded by its nonces.
 *
 *     salt (16)   the text, encrypted   tag (16)
 */
import {
  createCipheriv,
  createDecipheriv,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'

const ALGORITHM = 'aes-256-gcm'
const SALT_BYTES = 16
const TAG_BYTES = 16
const KEY_BYTES = 32
const OPTIONS = { authTagLength: TAG_BYTES } as const
/** Each key seals one text. */
const NONCE: Buffer = Buffer.alloc(12)

/** Bytes by which a sealed text is longer. */
export const SHORT_SEAL_BYTES: number = SALT_BYTES + TAG_BYTES

/** `purpose`: what the text is; opened only for the same. */
export function sealShort(key: KeyObject, purpose: string, text: Uint8Array): Buffer {
  const salt = randomBytes(SALT_BYTES)
  const cipher = createCipheriv(ALGORITHM, keyFor(key, purpose, salt), NONCE, OPTIONS)
  return Buffer.concat([salt, cipher.update(text), cipher.final(), cipher.getAuthTag()])
}

/** Undefined where it was not sealed so: under that key, for that purpose, these bytes. */
export function openShort(key: KeyObject, purpose: string, sealed: Uint8Array): Buffer | undefined {
  if (sealed.length < SHORT_SEAL_BYTES) return undefined
  const salt = sealed.subarray(0, SALT_BYTES)
  const end = sealed.length - TAG_BYTES
  const decipher = createDecipheriv(ALGORITHM, keyFor(key, purpose, salt), NONCE, OPTIONS)
  decipher.setAuthTag(sealed.subarray(end))
  const text = decipher.update(sealed.subarray(SALT_BYTES, end))
  try {
    decipher.final()
  } catch {
    text.fill(0)
    return undefined
  }
  return text
}

function keyFor(key: KeyObject, purpose: string, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, salt, `sluice ${purpose}`, KEY_BYTES))
}
