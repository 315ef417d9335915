/**
 * How uploads end without an object: aborted by a client, with their bucket, or for their age.
 *
 * One commit takes the upload out of its key's row and leaves its parts to the sweep. Pages that a
 * Complete has written ahead (`drafts`) go before it; to write some is to write the upload's row
 * too, so that none is added behind our back.
 */
import type { Rev } from '../../metadata/store.ts'
import type { Context } from './context.ts'
import { pagesOf, scanRows, type UploadsRow } from './rows.ts'
import { transact, type Tx } from './transact.ts'
import { putUploads, recentDone, uploadIn, withUpload } from './upload-row.ts'

/** Rows written in one commit, beside the row of the uploads. */
const STEP = 40
const ROWS_PER_SCAN = 200

/** Ends one upload; false where there is none of that id. */
export async function endUpload(
  ctx: Context,
  bucket: string,
  key: string,
  uploadId: string,
): Promise<boolean> {
  for (;;) {
    const step = await transact(ctx.metadata, bucket, async (tx) => {
      const row = (await tx.get('upload', key))?.value
      if (row === undefined || uploadIn(row, uploadId) === undefined) return 'absent'
      return end(ctx, tx, key, row, [uploadId])
    })
    if (step !== 'drafts') return step === 'ended'
  }
}

/**
 * Ends all uploads of a bucket whose row stands at `bucketRev`, and forgets the completed ones. False:
 * the bucket's row has changed.
 */
export async function endAllUploads(
  ctx: Context,
  bucket: string,
  bucketRev: Rev,
): Promise<boolean> {
  for (;;) {
    const rows = await scanRows(ctx.metadata, bucket, 'upload', { from: '', limit: ROWS_PER_SCAN })
    if (rows.length === 0) return true
    for (const { sort: key } of rows) {
      const standing = await transact(ctx.metadata, bucket, async (tx) => {
        if ((await tx.get('bucket', ''))?.rev !== bucketRev) return false
        const row = (await tx.get('upload', key))?.value
        if (row === undefined) return true
        await end(ctx, tx, key, { u: row.u }, Object.keys(row.u).slice(0, STEP))
        return true
      })
      if (!standing) return false
    }
  }
}

/**
 * The sweep's share: ends uploads that were begun too long ago (`abandonedUploadMs`), and forgets
 * what was completed before its answer could still be asked for. Gives the number of uploads ended.
 */
export async function sweepUploads(ctx: Context, bucket: string): Promise<number> {
  let ended = 0
  for (let from = ''; ;) {
    const rows = await scanRows(ctx.metadata, bucket, 'upload', { from, limit: ROWS_PER_SCAN })
    for (const { sort: key, value } of rows) {
      for (const uploadId of abandoned(ctx, value)) {
        if (await endUpload(ctx, bucket, key, uploadId)) ended++
      }
      if (isOutdated(ctx, value)) await forgetDone(ctx, bucket, key)
    }
    if (rows.length < ROWS_PER_SCAN) return ended
    from = `${rows.at(-1)!.sort}\0`
  }
}

/**
 * Takes uploads of a key out of its row, their parts into the garbage. `drafts`: there were pages
 * written ahead, whose removal is all that this commit does.
 */
async function end(
  ctx: Context,
  tx: Tx,
  key: string,
  row: UploadsRow,
  uploadIds: readonly string[],
): Promise<'ended' | 'drafts'> {
  let rest = row
  for (const uploadId of uploadIds) {
    const upload = uploadIn(row, uploadId)!
    if (await dropDrafts(tx, upload.drafts)) {
      // Without its seal, no Complete can name the pages that are now missing.
      const { sealed: _sealed, ...unsealed } = upload
      putUploads(ctx, tx, key, withUpload(row, uploadId, unsealed))
      return 'drafts'
    }
    rest = withUpload(rest, uploadId, undefined)
  }
  for (const uploadId of uploadIds) tx.put('garbage', ctx.ids.next(), { upload: uploadId })
  putUploads(ctx, tx, key, rest)
  return 'ended'
}

/** Removes some of the pages of these manifests; false where there are none. The caller writes the upload's row. */
export async function dropDrafts(tx: Tx, manifests: readonly string[] = []): Promise<boolean> {
  for (const manifest of manifests) {
    const pages = await tx.scan('page', { ...pagesOf(manifest), limit: STEP })
    for (const page of pages) tx.delete('page', page.sort)
    if (pages.length > 0) return true
  }
  return false
}

function abandoned(ctx: Context, row: UploadsRow): readonly string[] {
  const { abandonedUploadMs } = ctx.options
  if (abandonedUploadMs === 0) return []
  const begunBefore = ctx.clock.now() - abandonedUploadMs
  return Object.keys(row.u).filter((id) => (uploadIn(row, id)?.t ?? Infinity) < begunBefore)
}

function isOutdated(ctx: Context, row: UploadsRow): boolean {
  const recent = Object.keys(recentDone(row, ctx.clock.now()) ?? {}).length
  return recent < Object.keys(row.done ?? {}).length
}

async function forgetDone(ctx: Context, bucket: string, key: string): Promise<void> {
  await transact(ctx.metadata, bucket, async (tx) => {
    const row = (await tx.get('upload', key))?.value
    if (row !== undefined) putUploads(ctx, tx, key, row)
  })
}
