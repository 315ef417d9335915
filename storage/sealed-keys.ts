/** Master keys by their ids, and the keys of single blobs that are made of them. */
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { KEY_ID_BYTES_MAX } from './sealed-format.ts'
import type { BlobId } from './store.ts'

export const MASTER_KEY_BYTES = 32

export interface SealKey {
  /** Stands in clear in each blob: at most 32 bytes of UTF-8. */
  readonly id: string
  /** 32 random bytes: a key object, which neither a log nor JSON tells, or Base64. */
  readonly key: KeyObject | string
}

export interface SealOptions {
  /** New blobs are sealed with the first; the others still open what they sealed. */
  readonly keys: readonly SealKey[]
}

export class MasterKeys {
  /** Id of the key that new blobs are sealed with. */
  readonly current: string
  readonly #keys = new Map<string, KeyObject>()

  /** Throws where a key is none, where two have one id, and where there is no key at all. */
  constructor({ keys }: SealOptions) {
    for (const { id, key } of keys) {
      const master = typeof key === 'string' ? createSecretKey(Buffer.from(key, 'base64')) : key
      if (master.symmetricKeySize !== MASTER_KEY_BYTES)
        throw new RangeError(`the seal key "${id}" has ${master.symmetricKeySize} bytes, not 32`)
      const idBytes = Buffer.byteLength(id)
      if (idBytes === 0 || idBytes > KEY_ID_BYTES_MAX)
        throw new RangeError(`a seal key's id has 1 to ${KEY_ID_BYTES_MAX} bytes, not ${idBytes}`)
      if (this.#keys.has(id)) throw new RangeError(`the seal key "${id}" is there twice`)
      this.#keys.set(id, master)
    }
    const [first] = keys
    if (first === undefined) throw new RangeError('sealing needs a key')
    this.current = first.id
  }

  /**
   * The key of one blob: HKDF-SHA256 of the master key, with the blob's random salt and its id. No two
   * blobs share one, which is why a segment's number can be its nonce.
   */
  keyOf(keyId: string, id: BlobId, salt: Uint8Array): KeyObject {
    const master = this.#keys.get(keyId)
    if (master === undefined)
      throw new Error(`blob ${id} is sealed with the key "${keyId}", which is not configured`)
    return createSecretKey(Buffer.from(hkdfSync('sha256', master, salt, `sluice seal 1 ${id}`, 32)))
  }
}
