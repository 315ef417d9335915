/**
 * CompleteMultipartUpload: parts become an object by rows alone; no byte moves, but for parts so
 * small that they stood in their rows.
 *
 * A seal (seal.ts) holds the parts still while they are looked through. One commit then makes the
 * object visible, ends the upload, and leaves what is not part of the object to the sweep; it expects
 * seal and drafts as they were. Only of an object whose pages do not fit into one commit are pages
 * committed ahead: unreachable until the last commit, and removed by whoever ends the upload else.
 * Repeated and concurrent Completes get the answer of the one that won.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ASSEMBLING } from '../api/access.ts'
import type { Call, Handler, Input, Output } from '../api/operations.ts'
import { announce } from './announce.ts'
import { addChecksum } from './checksum.ts'
import { checkWrite } from './condition.ts'
import { discardWritten } from './content.ts'
import type { Context } from './context.ts'
import { customerKey, type CustomerKeyInput } from './customer-key.ts'
import { sealingOfParts, showEncryption } from './encryption.ts'
import { expirationOf } from './expiration.ts'
import { withLock } from './lock.ts'
import { layOut, type Manifest } from './manifest.ts'
import { type Address, objectAddress, refuseUnsupported } from './object-input.ts'
import { type AskedPart, askedParts, assemble, type ObjectOfParts } from './object-of-parts.ts'
import { openBucket } from './open-bucket.ts'
import { packParts } from './pack-parts.ts'
import {
  type BucketRow,
  numberOfPart,
  type PartRow,
  partSort,
  partsOf,
  scanRows,
  type StoredLock,
  type Upload,
  type VersionRow,
} from './rows.ts'
import { sealUpload, type SealedUpload, sealedTx } from './seal.ts'
import { Contended, transact, type Tx } from './transact.ts'
import {
  doneIn,
  type DoneUpload,
  noSuchUpload,
  putUploads,
  uploadIn,
  withUpload,
} from './upload-row.ts'
import { encoderFor } from './url-encoding.ts'
import { type Mutable, own, publicId, pushVersion, type VersionDraft } from './version.ts'
import { type Rest, writeAhead } from './write-ahead.ts'

/** Times that parts may change under us; each time we wait twice as long, so that of two that disturb each other one gets through. */
const ATTEMPTS_MAX = 16
const WAIT_MAX_MS = 500
const PARTS_PER_SCAN = 1000
/** Part rows that go with the commit itself; of more, the sweep removes all. */
const PARTS_REMOVED_MAX = 16

export function completeMultipartUpload(ctx: Context): Handler<'CompleteMultipartUpload'> {
  return async (input, call) => {
    const address = objectAddress(input)
    refuseUnsupported(input)
    const asked = askedParts(input.MultipartUpload?.Parts, ctx.options)
    const bucketRow = await openBucket(ctx, input)
    const uploadId = input.UploadId ?? ''
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const sealed = await sealUpload(ctx, address, uploadId)
      if ('done' in sealed) return answer(address, sealed.done)
      const { sse } = sealed.upload
      checkKey(ctx, sealed.upload, input)
      const outcome = await complete(ctx, { ...sealed, input, asked, call })
      if (outcome === undefined) {
        await sleep(Math.min(2 ** attempt, WAIT_MAX_MS))
        continue
      }
      const output = answer(address, outcome.done)
      showEncryption(output, sse, input.SSECustomerKeyMD5)
      const { version } = outcome
      const expiration =
        version && expirationOf(ctx, bucketRow, address.bucket, address.key, version)
      if (expiration !== undefined) output.Expiration = await expiration
      return output
    }
    throw new Contended('the parts of the upload changed all the time')
  }
}

/** AWS wants the client's key only with a checksum of the object; suites that know S3 from before, always. */
function checkKey(ctx: Context, { sse, k }: Upload, input: CustomerKeyInput): void {
  const key = customerKey(input)
  const isWanted = ctx.options.compat === 'legacy' || k !== undefined
  if (key !== undefined || isWanted) sealingOfParts(ctx, sse, key)
}

/** One attempt, under one seal. */
interface Attempt extends SealedUpload {
  readonly input: Input<'CompleteMultipartUpload'>
  readonly asked: readonly AskedPart[]
  readonly call: Call
}

/** Undefined where the seal was broken: look again. */
async function complete(ctx: Context, attempt: Attempt): Promise<Outcome | undefined> {
  const { bucket, uploadId, upload, input, asked, call } = attempt
  const there = await readParts(ctx, bucket, uploadId)
  let object: ObjectOfParts
  try {
    const options = call.access === ASSEMBLING ? { ...ctx.options, partBytesMin: 0 } : ctx.options
    object = assemble(input, asked, upload, there, options)
  } catch (error) {
    // What was found wrong is true only of parts that were all read under one seal.
    const isSealed = await sealedTx(ctx, attempt, async () => true)
    if (isSealed !== true) return undefined
    throw error
  }
  const packed = await packParts(ctx, attempt, object.parts, call.signal)
  if (packed === undefined) return undefined
  let outcome: Outcome | undefined
  try {
    const manifest = layOut(ctx.ids.next(), packed.parts)
    const rest = await writeAhead(ctx, attempt, manifest)
    if (rest !== undefined) outcome = await commit(ctx, attempt, object, manifest, rest, there)
  } catch (error) {
    await discardWritten(ctx, packed.written, error)
    throw error
  }
  if (outcome?.isOurs !== true) await discardWritten(ctx, packed.written, undefined)
  return outcome
}

async function readParts(
  ctx: Context,
  bucket: string,
  uploadId: string,
): Promise<ReadonlyMap<number, PartRow>> {
  const parts = new Map<number, PartRow>()
  for (let after = 0; ;) {
    const range = { ...partsOf(uploadId, after), limit: PARTS_PER_SCAN }
    const rows = await scanRows(ctx.metadata, bucket, 'part', range)
    for (const { sort, value } of rows) parts.set(numberOfPart(sort), value)
    if (rows.length < PARTS_PER_SCAN) return parts
    after = numberOfPart(rows.at(-1)!.sort)
  }
}

interface Outcome {
  readonly done: DoneUpload
  /** False: another Complete was first. */
  readonly isOurs: boolean
  /** Where it is ours. */
  readonly version?: VersionRow
}

/** The commit that counts. Undefined where seal or drafts are no longer what they were. */
function commit(
  ctx: Context,
  { bucket, key, uploadId, seal, input, call }: Attempt,
  object: ObjectOfParts,
  manifest: Manifest,
  { draft, pages }: Rest,
  there: ReadonlyMap<number, PartRow>,
): Promise<Outcome | undefined> {
  return transact(ctx.metadata, bucket, async (tx) => {
    const bucketRow = await ctx.buckets.inBucket(tx, bucket)
    const row = (await tx.get('upload', key))?.value
    const before = doneIn(row, uploadId)
    if (before !== undefined) return { done: before, isOurs: false }
    const upload = uploadIn(row, uploadId)
    if (upload === undefined) throw noSuchUpload(uploadId)
    if (upload.sealed !== seal || upload.drafts?.at(-1) !== draft) return undefined
    const head = await tx.get('object', key)
    checkWrite(input, key, head?.value)
    const t = ctx.clock.now()
    const made = withLock(
      versionOf(bucketRow, upload, object, manifest, t),
      bucketRow,
      lockAsked(upload),
    )
    const version = await pushVersion(ctx, tx, bucketRow, key, head, made)
    for (const { sort, parts } of pages) tx.put('page', sort, { p: parts })
    const event = 's3:ObjectCreated:CompleteMultipartUpload'
    await announce(ctx, tx, bucketRow, { event, bucket, key, version, call })
    removeParts(ctx, tx, uploadId, object, there)
    const k = object.checksum
    const done: DoneUpload = { t, e: object.etag, q: publicId(version), ...(k && { k }) }
    const rest = withUpload(row, uploadId, undefined)
    putUploads(ctx, tx, key, { ...rest, done: { ...rest.done, [uploadId]: done } })
    return { done, isOurs: true, version }
  })
}

function versionOf(
  bucket: BucketRow,
  upload: Upload,
  object: ObjectOfParts,
  { content }: Manifest,
  t: number,
): VersionDraft {
  const draft: Mutable<VersionDraft> = {
    t,
    s: object.size,
    e: object.etag,
    c: content,
  }
  own(draft, upload.o ?? upload.by, bucket)
  if (object.checksum !== undefined) draft.k = object.checksum
  if (upload.h !== undefined) draft.h = upload.h
  if (upload.m !== undefined) draft.m = upload.m
  if (upload.sc !== undefined) draft.sc = upload.sc
  if (upload.acl !== undefined) draft.acl = upload.acl
  if (upload.tg !== undefined) draft.tg = upload.tg
  if (upload.sse !== undefined) draft.sse = upload.sse
  if (upload.rp !== undefined) draft.rp = upload.rp
  return draft
}

function lockAsked({ r, lh }: Upload): StoredLock | undefined {
  if (r === undefined && lh === undefined) return undefined
  return { ...(r !== undefined && { r }), ...(lh !== undefined && { lh }) }
}

/** Takes the parts' rows away, now or by the sweep; extents live on in the object, but for those of unused parts. */
function removeParts(
  ctx: Context,
  tx: Tx,
  uploadId: string,
  { unused }: ObjectOfParts,
  there: ReadonlyMap<number, PartRow>,
): void {
  if (there.size > PARTS_REMOVED_MAX) {
    tx.put('garbage', ctx.ids.next(), { upload: uploadId, unused })
    return
  }
  for (const number of there.keys()) tx.delete('part', partSort(uploadId, number))
  const extents = unused.flatMap((number) => there.get(number)?.x ?? [])
  if (extents.length > 0) tx.put('garbage', ctx.ids.next(), { x: extents })
}

function answer({ bucket, key }: Address, done: DoneUpload): Output<'CompleteMultipartUpload'> {
  const output: Output<'CompleteMultipartUpload'> = {
    Location: `/${bucket}/${encoderFor('url')(key)}`,
    Bucket: bucket,
    Key: key,
    ETag: `"${done.e}"`,
  }
  addChecksum(output, done.k)
  if (done.q !== 'null') output.VersionId = done.q
  return output
}
