/**
 * UpdateObjectEncryption: an object that is encrypted comes under a key of the KMS keyring. Its data keys
 * are wrapped anew; no byte of it is touched, and nothing else of it changes.
 */
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import { readPage } from './content.ts'
import type { Context } from './context.ts'
import { kmsId, rewrapped, type Wanted } from './encryption.ts'
import { checkExpectedOwner, objectAddress } from './object-input.ts'
import { findObject } from './object-read.ts'
import type { StoredEncryption, StoredPart, VersionRow } from './rows.ts'
import { Contended, transact } from './transact.ts'
import type { Mutable } from './version.ts'

/** Pages that are rewritten in one commit. */
const PAGES_MAX = 24
/** Times that the object may change under us. */
const ATTEMPTS_MAX = 16

export function updateObjectEncryption(ctx: Context): Handler<'UpdateObjectEncryption'> {
  return async (input) => {
    const address = objectAddress(input)
    const asked = input.ObjectEncryption?.SSEKMS
    if (asked?.KMSKeyArn === undefined) throw new S3Error('MalformedXML')
    const { value: bucket } = await ctx.buckets.readFresh(address.bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    const to: Wanted = {
      by: 'kms',
      id: kmsId(ctx, asked.KMSKeyArn),
      ...(asked.BucketKeyEnabled === true && { bk: 1 }),
    }
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const { table, row } = await findObject(ctx, address, input.VersionId)
      const from = encryptionOf(row.value)
      const isDone = await transact(ctx.metadata, address.bucket, async (tx) => {
        await ctx.buckets.inBucket(tx, address.bucket)
        const now = await tx.get(table, row.sort)
        if (now?.rev !== row.rev) return false
        const renew = (part: StoredPart): StoredPart => withKey(ctx, part, from, to)
        const { c } = now.value
        const updated: Mutable<VersionRow> = { ...now.value }
        updated.sse = { ...to, key: rewrapped(ctx, from, from.key, to) }
        if (c?.p !== undefined) updated.c = { ...c, p: c.p.map(renew) }
        for (const [sort] of c?.g ?? []) {
          const parts = await readPage(ctx, address.bucket, sort)
          if (parts.some((part) => part[4] !== undefined))
            tx.put('page', sort, { p: parts.map(renew) })
        }
        tx.put(table, row.sort, updated, now.bytes)
        return true
      })
      if (isDone) return {}
    }
    throw new Contended('the object changed all the time')
  }
}

/** How the object is encrypted, where that is something that we can change. */
function encryptionOf({ sse, c }: VersionRow): StoredEncryption {
  const refusal = (message: string): S3Error => new S3Error('InvalidRequest', { message })
  if (sse === undefined)
    throw refusal(
      'The object is not encrypted. Copy it onto itself with x-amz-server-side-encryption to encrypt it.',
    )
  if (sse.by === 'c')
    throw refusal('The object is encrypted with a customer provided key, which cannot be updated.')
  if ((c?.g?.length ?? 0) > PAGES_MAX)
    throw refusal('The object has too many parts. Copy it onto itself to change its encryption.')
  return sse
}

function withKey(ctx: Context, part: StoredPart, from: StoredEncryption, to: Wanted): StoredPart {
  const [number, size, checksum, extents, key] = part
  return key === undefined ? part : [number, size, checksum, extents, rewrapped(ctx, from, key, to)]
}
