/**
 * Seals: how a Complete knows that no part has changed while it looked the parts through.
 *
 * The seal is a word in the upload's row. Whoever writes a part takes it away in the same commit
 * (part-row.ts); so while the seal that was read before the parts still stands, the parts are as they were
 * read. Parts do not write the row otherwise, so that they contend only while a Complete is at work.
 */
import type { Context } from './context.ts'
import type { Address } from './object-input.ts'
import type { Upload } from './rows.ts'
import { transact, type Tx } from './transact.ts'
import {
  doneIn,
  type DoneUpload,
  noSuchUpload,
  putUploads,
  uploadIn,
  withUpload,
} from './upload-row.ts'

/** An upload under a seal. */
export interface SealedUpload extends Address {
  readonly uploadId: string
  readonly upload: Upload
  readonly seal: string
}

/** What a Complete begins with. */
export type Sealed =
  | SealedUpload
  /** It was completed before. */
  | { readonly done: DoneUpload }

/**
 * Puts a seal on the upload, or takes the one that is there: several Completes may rely on one.
 * Rejects with NoSuchUpload.
 */
export async function sealUpload(
  ctx: Context,
  { bucket, key }: Address,
  uploadId: string,
): Promise<Sealed> {
  return transact(ctx.metadata, bucket, async (tx) => {
    const row = (await tx.get('upload', key))?.value
    const done = doneIn(row, uploadId)
    if (done !== undefined) return { done }
    const upload = uploadIn(row, uploadId)
    if (upload === undefined) throw noSuchUpload(uploadId)
    if (upload.sealed !== undefined) return { bucket, key, uploadId, upload, seal: upload.sealed }
    const seal = ctx.ids.next()
    putUploads(ctx, tx, key, withUpload(row, uploadId, { ...upload, sealed: seal }))
    return { bucket, key, uploadId, upload, seal }
  })
}

/** A transaction that does nothing (and gives undefined) where the seal was broken or the upload has ended. */
export function sealedTx<T>(
  ctx: Context,
  { bucket, key, uploadId, seal }: SealedUpload,
  body: (tx: Tx, upload: Upload, put: (upload: Upload) => void) => Promise<T>,
): Promise<T | undefined> {
  return transact(ctx.metadata, bucket, async (tx) => {
    const row = (await tx.get('upload', key))?.value
    const upload = uploadIn(row, uploadId)
    if (upload?.sealed !== seal) return undefined
    return body(tx, upload, (changed) =>
      putUploads(ctx, tx, key, withUpload(row, uploadId, changed)),
    )
  })
}
