/**
 * The row of a key's uploads: those under way, and those completed lately.
 *
 * It is the gate of an upload. Every part's commit expects it unchanged, so that no part slips in
 * after its upload has ended; but parts do not write it, so that they do not contend.
 */
import { S3Error } from '../api/error.ts'
import type { Context } from './context.ts'
import { readRow, type Upload, type UploadsRow } from './rows.ts'
import type { Tx } from './transact.ts'

/** How long a repeated Complete gets the answer of the first, and of how many uploads of a key. */
export const DONE_KEPT_MS: number = 15 * 60 * 1000
const DONE_MAX = 100

export type DoneUpload = NonNullable<UploadsRow['done']>[string]

export function noSuchUpload(uploadId: string | undefined): S3Error {
  return new S3Error('NoSuchUpload', { fields: { UploadId: uploadId ?? '' } })
}

/** The upload under way of that id. */
export function uploadIn(row: UploadsRow | undefined, uploadId: string): Upload | undefined {
  return row !== undefined && Object.hasOwn(row.u, uploadId) ? row.u[uploadId] : undefined
}

/** What became of an upload completed lately. */
export function doneIn(row: UploadsRow | undefined, uploadId: string): DoneUpload | undefined {
  return row?.done !== undefined && Object.hasOwn(row.done, uploadId)
    ? row.done[uploadId]
    : undefined
}

/** Reads the upload, outside of a transaction. Rejects with NoSuchUpload. */
export async function readUpload(
  ctx: Context,
  bucket: string,
  key: string,
  uploadId: string | undefined,
): Promise<Upload> {
  const row = await readRow(ctx.metadata, bucket, 'upload', key)
  const upload = uploadIn(row?.value, uploadId ?? '')
  if (upload === undefined) throw noSuchUpload(uploadId)
  return upload
}

/** The row with that upload put in its place; undefined: taken out. */
export function withUpload(
  row: UploadsRow | undefined,
  uploadId: string,
  upload: Upload | undefined,
): UploadsRow {
  const { [uploadId]: _before, ...others } = row?.u ?? {}
  return { ...row, u: upload === undefined ? others : { ...others, [uploadId]: upload } }
}

/** Writes the row, without what was done too long ago; away with it where nothing is left. */
export function putUploads(ctx: Context, tx: Tx, key: string, row: UploadsRow): void {
  const done = recentDone(row, ctx.clock.now())
  const isEmpty = done === undefined && Object.keys(row.u).length === 0
  if (isEmpty) tx.delete('upload', key)
  else tx.put('upload', key, done === undefined ? { u: row.u } : { u: row.u, done })
}

/** What is still remembered of completed uploads. */
export function recentDone(row: UploadsRow, now: number): UploadsRow['done'] {
  const recent = Object.entries(row.done ?? {})
    .filter(([, done]) => now - done.t < DONE_KEPT_MS)
    .sort(([, a], [, b]) => b.t - a.t)
    .slice(0, DONE_MAX)
  return recent.length === 0 ? undefined : Object.fromEntries(recent)
}
