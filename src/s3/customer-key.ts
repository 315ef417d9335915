/**
 * Keys that clients bring (SSE-C): three headers that must agree, of a request's own object, or of the
 * source that it copies. The key is never kept: whether it is the right one is found by unwrapping.
 */
import { createSecretKey, hash, type KeyObject } from 'node:crypto'
import { S3Error } from '../api/error.ts'

export interface CustomerKey {
  readonly key: KeyObject
  /** As the client told it; base64. */
  readonly md5: string
}

/** The members of an input that bring a key. */
export interface CustomerKeyInput {
  readonly SSECustomerAlgorithm?: string | undefined
  readonly SSECustomerKey?: string | undefined
  readonly SSECustomerKeyMD5?: string | undefined
}

export interface SourceKeyInput {
  readonly CopySourceSSECustomerAlgorithm?: string | undefined
  readonly CopySourceSSECustomerKey?: string | undefined
  readonly CopySourceSSECustomerKeyMD5?: string | undefined
}

const KEY_BYTES = 32
const BASE64 = /^[A-Za-z0-9+/]{43}=$/

/** The key that a request brings; undefined: none. Throws InvalidArgument, InvalidEncryptionAlgorithmError. */
export function customerKey(input: CustomerKeyInput): CustomerKey | undefined {
  return readKey(
    input.SSECustomerAlgorithm,
    input.SSECustomerKey,
    input.SSECustomerKeyMD5,
    'x-amz-server-side-encryption-customer',
  )
}

/** The same for the source of a copy. */
export function sourceKey(input: SourceKeyInput): CustomerKey | undefined {
  return readKey(
    input.CopySourceSSECustomerAlgorithm,
    input.CopySourceSSECustomerKey,
    input.CopySourceSSECustomerKeyMD5,
    'x-amz-copy-source-server-side-encryption-customer',
  )
}

function readKey(
  algorithm: string | undefined,
  key: string | undefined,
  md5: string | undefined,
  header: string,
): CustomerKey | undefined {
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined
  const invalid = (name: string, value: string, message: string): S3Error =>
    new S3Error('InvalidArgument', {
      message,
      fields: { ArgumentName: `${header}-${name}`, ArgumentValue: value },
    })
  const wants =
    'Requests specifying Server Side Encryption with Customer provided keys must provide'
  if (algorithm === undefined)
    throw invalid('algorithm', '', `${wants} a valid encryption algorithm.`)
  if (algorithm !== 'AES256')
    throw new S3Error('InvalidEncryptionAlgorithmError', {
      fields: { ArgumentName: `${header}-algorithm`, ArgumentValue: algorithm },
    })
  if (key === undefined) throw invalid('key', '', `${wants} an appropriate secret key.`)
  if (md5 === undefined)
    throw invalid('key-MD5', '', `${wants} the client calculated MD5 of the secret key.`)
  const bytes = Buffer.from(key, 'base64')
  // The value is not told back: it is a secret, or near to one.
  if (!BASE64.test(key) || bytes.length !== KEY_BYTES)
    throw invalid('key', '', 'The secret key was invalid for the specified algorithm.')
  if (hash('md5', bytes, 'base64') !== md5)
    throw invalid(
      'key-MD5',
      md5,
      'The calculated MD5 hash of the key did not match the hash that was provided.',
    )
  return { key: createSecretKey(bytes), md5 }
}
