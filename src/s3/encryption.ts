/**
 * Encryption of content (SSE-C, SSE-S3, SSE-KMS). Each object, and each upload, has a data key of its
 * own; its row holds it wrapped by the client's key, ours, or one of the KMS keyring. Blobs are written
 * and read under the data key (`ctx.underKey`), bodies in rows are sealed with it. Completing an upload,
 * and a copy that keeps its wrapping key, move no byte: rows name blobs with the data key they are under.
 *
 * ETags of what is encrypted by SSE-C or SSE-KMS are no MD5 (S3 promises the same): the MD5 of bytes that
 * somebody encrypts would stand beside them in clear. They are made of it with the data key, so that a
 * part that is sent again has the ETag that it had.
 */
import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { ServerSideEncryption } from '@aws-sdk/client-s3'
import type { Blobs } from '../../storage/store.ts'
import { S3Error } from '../api/error.ts'
import { openShort, sealShort, SHORT_SEAL_BYTES } from '../lib/short-seal.ts'
import type { Context } from './context.ts'
import type { CustomerKey } from './customer-key.ts'
import { checkState, shownKey } from './keyring.ts'
import type { StoredEncryption } from './rows.ts'

const DATA_KEY_BYTES = 32
const INLINED = 'inlined body 1'

/** Which encryption new content is to have. */
export interface Wanted extends Omit<StoredEncryption, 'key'> {
  /** SSE-C: the wrapping key. */
  readonly customer?: CustomerKey
}

/** What writes encrypted content. */
export interface Sealing {
  readonly stored: StoredEncryption
  /** Blobs are written here. */
  readonly blobs: Blobs
  /** A body of at most so many bytes may stand in the row, as `inlined` makes it. */
  readonly inlineMaxBytes: number
  inlined(bytes: Uint8Array): Uint8Array
  /** The ETag of bytes with that MD5 (hex), or of a copy of what had that ETag: as it is, or hidden. */
  etag(md5: string): string
}

/** What reads encrypted content. */
export interface Opening {
  /** Blobs are read here; `key`: of a part with a data key of its own. */
  blobs(key?: string): Blobs
  inlined(sealed: Uint8Array): Uint8Array
}

/** A new data key, wrapped as wanted. Throws where the wrapping key is not to be had, or not to be used. */
export function sealingWith(ctx: Context, wanted: Wanted): Sealing {
  const { customer, ...shown } = wanted
  const dataKey = randomBytes(DATA_KEY_BYTES)
  const wrapped = sealShort(wrappingKey(ctx, wanted, customer), purposeOf(wanted), dataKey)
  const stored = { ...shown, key: wrapped.toString('base64url') }
  return sealing(ctx, stored, createSecretKey(dataKey))
}

/**
 * For the parts of an upload that was begun so, under its data key; undefined where it is in clear.
 * Rejects a key that is missing, wrong, or brought in vain (InvalidRequest). No part stands in its row.
 */
export function sealingOfParts(
  ctx: Context,
  stored: StoredEncryption | undefined,
  customer: CustomerKey | undefined,
): Sealing | undefined {
  const refusal = (message: string): S3Error => new S3Error('InvalidRequest', { message })
  if (stored?.by !== 'c' && customer !== undefined)
    throw refusal(
      'The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.',
    )
  if (stored === undefined) return undefined
  if (stored.by === 'c' && customer === undefined)
    throw refusal(
      'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
    )
  const dataKey = unwrap(ctx, stored, stored.key, customer)
  if (dataKey === undefined)
    throw refusal('The provided encryption parameters did not match the ones used originally.')
  return { ...sealing(ctx, stored, dataKey), inlineMaxBytes: 0 }
}

/**
 * For writing on to an object that is encrypted so, and for reading what it has: under its own data key.
 * Undefined where it is in clear. Rejects as `openingOf` does. No body stands in its row.
 */
export function sealingOnto(
  ctx: Context,
  stored: StoredEncryption | undefined,
  customer: CustomerKey | undefined,
): (Sealing & { readonly opening: Opening }) | undefined {
  const opening = openingOf(ctx, stored, customer)
  if (stored === undefined || opening === undefined) return undefined
  const dataKey = unwrap(ctx, stored, stored.key, customer)!
  return { ...sealing(ctx, stored, dataKey), inlineMaxBytes: 0, opening }
}

function sealing(ctx: Context, stored: StoredEncryption, dataKey: KeyObject): Sealing {
  return {
    stored,
    blobs: ctx.underKey(dataKey),
    inlineMaxBytes: Math.max(0, ctx.options.inlineMaxBytes - SHORT_SEAL_BYTES),
    inlined: (bytes) => sealShort(dataKey, INLINED, bytes),
    etag: (md5) => (hidesMd5(stored) ? hidden(dataKey, md5) : md5),
  }
}

/** 32 hex digits, as of any ETag. */
function hidden(dataKey: KeyObject, md5: string): string {
  return createHmac('sha256', dataKey).update(`etag ${md5}`).digest('hex').slice(0, 32)
}

/**
 * For reading what is encrypted so; undefined where it is in clear. Rejects a key that is missing or
 * brought in vain (InvalidRequest), a wrong one, and a KMS key that is gone or not to be used.
 */
export function openingOf(
  ctx: Context,
  stored: StoredEncryption | undefined,
  customer: CustomerKey | undefined,
): Opening | undefined {
  if (stored?.by !== 'c' && customer !== undefined)
    throw new S3Error('InvalidRequest', {
      message: 'The encryption parameters are not applicable to this object.',
    })
  if (stored === undefined) return undefined
  const dataKey = (key: string): KeyObject => {
    const unwrapped = unwrap(ctx, stored, key, customer)
    if (unwrapped === undefined) throw wrongKey(ctx)
    return unwrapped
  }
  const own = dataKey(stored.key)
  return {
    blobs: (key) => ctx.underKey(key === undefined ? own : dataKey(key)),
    inlined(sealed) {
      const bytes = openShort(own, INLINED, sealed)
      if (bytes === undefined) throw new Error('an encrypted body is not what was stored')
      return bytes
    },
  }
}

/** A data key of ours, or of the KMS keyring's, wrapped anew: no byte of content is touched. */
export function rewrapped(ctx: Context, from: StoredEncryption, key: string, to: Wanted): string {
  const dataKey = unwrap(ctx, from, key, undefined)!.export()
  return sealShort(wrappingKey(ctx, to, undefined), purposeOf(to), dataKey).toString('base64url')
}

/** Undefined where the client's key is not the one. */
function unwrap(
  ctx: Context,
  stored: StoredEncryption,
  key: string,
  customer: CustomerKey | undefined,
): KeyObject | undefined {
  const wrapping = wrappingKey(ctx, stored, customer)
  const dataKey = openShort(wrapping, purposeOf(stored), Buffer.from(key, 'base64url'))
  if (dataKey !== undefined) return createSecretKey(dataKey)
  if (stored.by === 'c') return undefined
  throw new Error(`the key "${stored.id}" is not the one that an object was encrypted with`)
}

function wrappingKey(
  ctx: Context,
  { by, id = '' }: Omit<StoredEncryption, 'key'>,
  customer: CustomerKey | undefined,
): KeyObject {
  if (by === 's3') return ctx.keyring.ownOf(id).key
  if (by === 'kms') {
    const key = ctx.keyring.named(id)
    checkState(key)
    return key.key
  }
  if (customer !== undefined) return customer.key
  throw new S3Error('InvalidRequest', {
    message:
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
  })
}

/** What a wrapping is bound to beside its key. */
function purposeOf({ by, id, cx }: Omit<StoredEncryption, 'key'>): string {
  return `data key 1 ${by} ${JSON.stringify([id ?? '', cx ?? ''])}`
}

/** AWS answers 403; suites that know S3 from before expect 400. */
function wrongKey(ctx: Context): S3Error {
  const message =
    'Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.'
  return new S3Error(ctx.options.compat === 'legacy' ? 'InvalidRequest' : 'AccessDenied', {
    message,
  })
}

/** Whether content that is encrypted so needs no new bytes to be encrypted as wanted. */
export function isWrappedAlike(
  from: StoredEncryption | undefined,
  source: CustomerKey | undefined,
  to: Wanted | undefined,
): boolean {
  if (from === undefined || to === undefined) return from === undefined && to === undefined
  if (from.by !== to.by || from.cx !== to.cx) return false
  if (from.by === 'c') return source !== undefined && to.customer?.key.equals(source.key) === true
  // An object of SSE-S3 stays under the key of its time.
  return from.by === 's3' || from.id === to.id
}

/** Whether ETags of content that is encrypted so are no MD5. */
function hidesMd5({ by }: StoredEncryption): boolean {
  return by !== 's3'
}

/** The members of outputs that tell of encryption. */
export interface EncryptionOutput {
  ServerSideEncryption?: ServerSideEncryption | undefined
  SSECustomerAlgorithm?: string | undefined
  SSECustomerKeyMD5?: string | undefined
  SSEKMSKeyId?: string | undefined
  BucketKeyEnabled?: boolean | undefined
}

/** Tells how something is encrypted. `md5`: of the key that the client brought. */
export function showEncryption(
  output: EncryptionOutput,
  stored: Omit<StoredEncryption, 'key'> | undefined,
  md5: string | undefined,
): void {
  if (stored === undefined) return
  if (stored.by === 'c') {
    output.SSECustomerAlgorithm = 'AES256'
    if (md5 !== undefined) output.SSECustomerKeyMD5 = md5
    return
  }
  output.ServerSideEncryption = stored.by === 's3' ? 'AES256' : 'aws:kms'
  if (stored.by === 's3') return
  if (stored.id !== undefined) output.SSEKMSKeyId = stored.id
  if (stored.bk === 1) output.BucketKeyEnabled = true
}

/** The key of the KMS keyring as rows name it. Throws where it is not there, or not to be used. */
export function kmsId(ctx: Context, name: string | undefined): string {
  const key = ctx.keyring.named(name)
  checkState(key)
  return shownKey(key)
}
