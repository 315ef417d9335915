/** What becomes of a source's annotations when CopyObject copies it. */
import { S3Error } from '../api/error.ts'
import type { Call, Input } from '../api/operations.ts'
import { adopt, copyAnnotations, type DraftSet } from './annotation-rows.ts'
import type { Context } from './context.ts'
import type { CopySource, FoundSource } from './copy-source.ts'
import { demand } from './demand.ts'
import { type Sealing, sealingWith, type Wanted } from './encryption.ts'
import type { Address } from './object-input.ts'
import { readRow } from './rows.ts'
import type { Tx } from './transact.ts'
import type { Mutable, VersionDraft } from './version.ts'

interface Copying {
  readonly input: Pick<Input<'CopyObject'>, 'AnnotationDirective'>
  readonly call: Call
  readonly target: Address
  readonly address: CopySource
  readonly source: FoundSource
  /** The encryption of the copy. */
  readonly wanted: Wanted | undefined
}

/**
 * The source's annotations, written for the copy (S3: they go along unless EXCLUDE is said); `changed`
 * where the source has changed meanwhile. Rejects with AccessDenied for who may not read, or write, them.
 */
export async function copiedAnnotations(
  ctx: Context,
  { input, call, target, address, source, wanted }: Copying,
): Promise<DraftSet | undefined | 'changed'> {
  const { an } = source.row.value
  const { bucket, key, versionId } = address
  if (an === undefined || input.AnnotationDirective === 'EXCLUDE') return undefined
  if (versionId === undefined) await demand(call, 's3:GetObjectAnnotation', { bucket, key })
  else await demand(call, 's3:GetObjectVersionAnnotation', { bucket, key, versionId })
  await demand(call, 's3:PutObjectAnnotation', target)
  if (wanted?.by === 'c') {
    throw new S3Error('InvalidRequest', {
      message:
        'Objects encrypted with customer provided keys cannot have annotations: copy with x-amz-object-annotation-directive: EXCLUDE.',
    })
  }
  const sealing = (): Sealing | undefined => wanted && sealingWith(ctx, wanted)
  const to = { bucket: target.bucket, sealing }
  const made = await copyAnnotations(ctx, { bucket, set: an[0] }, to, call)
  const now = await readRow(ctx.metadata, bucket, source.table, source.row.sort)
  return now?.rev === source.row.rev ? made : 'changed'
}

/** In the commit that makes the copy. */
export async function adoptAnnotations(
  tx: Tx,
  draft: Mutable<VersionDraft>,
  annotations: DraftSet | undefined,
): Promise<void> {
  if (annotations === undefined) return
  await adopt(tx, annotations)
  if (annotations.an[1] > 0) draft.an = annotations.an
}
