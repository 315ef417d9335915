/**
 * The keys that wrap data keys: this gateway's own (SSE-S3), and those of a KMS that is a list in the
 * configuration (SSE-KMS), each with its id, perhaps an ARN, and its state.
 */
import type { KeyObject } from 'node:crypto'
import type { UnderKey } from '../../storage/store.ts'
import { S3Error } from '../api/error.ts'

export interface WrappingKey {
  readonly id: string
  /** 32 bytes. */
  readonly key: KeyObject
}

export interface KmsKey extends WrappingKey {
  readonly arn?: string
  readonly state: 'enabled' | 'disabled' | 'pending-deletion'
}

export interface EncryptionKeys {
  /** The first wraps; the others still unwrap. None: SSE-S3 is not to be had. */
  readonly s3: readonly WrappingKey[]
  readonly kms: readonly KmsKey[]
  /** Id of the one that is used where a client names none. */
  readonly kmsDefault?: string
}

/** What encryption needs from outside. */
export interface EncryptionParts {
  /** Of the storage that objects are in. */
  readonly underKey: UnderKey
  readonly keys: EncryptionKeys
}

/** Where nothing can be encrypted: such requests get NotImplemented. */
export const NO_ENCRYPTION: EncryptionParts = {
  underKey() {
    throw new S3Error('NotImplemented', { message: 'Encryption is not implemented here.' })
  },
  keys: { s3: [], kms: [] },
}

const ARN = /^arn:[a-z-]+:kms:[a-z0-9-]*:\d{12}:key\/(.+)$/

export class Keyring {
  readonly #keys: EncryptionKeys

  constructor(keys: EncryptionKeys) {
    this.#keys = keys
  }

  /** The key for new data keys of SSE-S3. Throws NotImplemented where there is none. */
  get own(): WrappingKey {
    const [current] = this.#keys.s3
    if (current !== undefined) return current
    throw new S3Error('NotImplemented', {
      message: 'This gateway has no key for SSE-S3: encryption.keys is not configured.',
    })
  }

  /** One that has wrapped before. That it is gone is the operator's fault, not the client's. */
  ownOf(id: string): WrappingKey {
    const key = this.#keys.s3.find((each) => each.id === id)
    if (key !== undefined) return key
    throw new Error(`the encryption key "${id}" is not configured, and objects need it`)
  }

  /**
   * The key that a client names by id or ARN; without a name, the default one. Throws
   * KMS.NotFoundException, InvalidArgument where there is no default.
   */
  named(name: string | undefined): KmsKey {
    const wanted = name ?? this.#keys.kmsDefault
    if (wanted === undefined)
      throw new S3Error('InvalidArgument', {
        message:
          'This gateway has no default KMS key: x-amz-server-side-encryption-aws-kms-key-id must name one.',
        fields: {
          ArgumentName: 'x-amz-server-side-encryption-aws-kms-key-id',
          ArgumentValue: '',
        },
      })
    const id = ARN.exec(wanted)?.[1]
    const key = this.#keys.kms.find(
      (each) => each.id === wanted || each.arn === wanted || (each.arn ?? each.id) === id,
    )
    if (key !== undefined) return key
    throw new S3Error('KMS.NotFoundException', { message: notFound(wanted, id !== undefined) })
  }
}

/** What clients are told of a key. */
export function shownKey({ id, arn }: KmsKey): string {
  return arn ?? id
}

/** Refuses a key that is not to be used now: KMS.DisabledException, KMS.KMSInvalidStateException. */
export function checkState(key: KmsKey): void {
  if (key.state === 'disabled')
    throw new S3Error('KMS.DisabledException', { message: `${shownKey(key)} is disabled.` })
  if (key.state === 'pending-deletion')
    throw new S3Error('KMS.KMSInvalidStateException', {
      message: `${shownKey(key)} is pending deletion.`,
    })
}

function notFound(name: string, isArn: boolean): string {
  if (isArn) return `Key '${name}' does not exist`
  return name.startsWith('arn:') ? `Invalid arn ${name}` : `Invalid keyId '${name}'`
}
