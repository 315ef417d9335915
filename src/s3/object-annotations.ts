/**
 * PutObjectAnnotation, GetObjectAnnotation, ListObjectAnnotations, DeleteObjectAnnotation: named texts
 * beside an object (S3 User Guide, "Annotations"), up to 1,000 of up to 1 MiB for each version.
 *
 * An annotation is a row of the table `part`, under the set that its version names: like a part it has
 * bytes, an ETag and a checksum of its own. Whoever adds or removes one writes the version's row in the
 * same commit, so their number is right, and they go with the version. They are encrypted as it is.
 */
import { isUtf8 } from 'node:buffer'
import { S3Error } from '../api/error.ts'
import type { Call, Handler } from '../api/operations.ts'
import type { Payload } from '../api/payload.ts'
import { announce } from './announce.ts'
import { annotationsIn, checkAnnotationName, type Named } from './annotation-rows.ts'
import { addChecksum, digestsFor, uploadAlgorithm } from './checksum.ts'
import { checkSource } from './condition.ts'
import { discardWritten, readContent, writeContent, type Written } from './content.ts'
import type { Context } from './context.ts'
import { openingOf, sealingWith, showEncryption } from './encryption.ts'
import { bypassAsked, checkUnlocked } from './lock.ts'
import { checkExpectedOwner, objectAddress } from './object-input.ts'
import { findObject, markerError, noSuchObject } from './object-read.ts'
import { pageMax } from './listing.ts'
import { annotationSort, type BucketRow, type PartRow, readRow, type VersionRow } from './rows.ts'
import { decodeToken, encodeToken } from './token.ts'
import { transact, type Tx } from './transact.ts'
import { checkVersionId, discardContent, findInChain, type Found, shownId } from './version.ts'

export const ANNOTATIONS_MAX = 1000
const ANNOTATION_BYTES_MAX = 1024 * 1024

/** The members that name the version; without an id, the newest. */
interface Asked {
  readonly Bucket: string | undefined
  readonly Key: string | undefined
  readonly VersionId?: string | undefined
  readonly ExpectedBucketOwner?: string | undefined
  readonly ObjectIfMatch?: string | undefined
}

export function putObjectAnnotation(ctx: Context): Handler<'PutObjectAnnotation'> {
  return async (input, call) => {
    const { bucket, key } = objectAddress(input)
    const name = checkAnnotationName(input.AnnotationName)
    const payload = input.AnnotationPayload
    const algorithm = uploadAlgorithm(payload, input.ChecksumAlgorithm)
    const bytes = await textOf(payload, algorithm)
    const { row: before } = await findObject(ctx, { bucket, key }, input.VersionId)
    if (before.value.sse?.by === 'c') {
      throw new S3Error('InvalidRequest', {
        message: 'Objects encrypted with customer provided keys cannot have annotations.',
      })
    }
    const sealing = inheriting(ctx, before.value)
    const written = await writeContent(ctx, bytes, call, bytes.length, sealing)
    const part: PartRow = {
      t: ctx.clock.now(),
      s: written.size,
      e: payload!.digest('md5'),
      k: [algorithm, payload!.digest(algorithm), 'FULL_OBJECT'],
      ...(written.extents !== undefined && { x: written.extents }),
      ...(sealing !== undefined && { sse: sealing.stored }),
    }
    try {
      const { row, version } = await changeAnnotated(ctx, input, async (tx, found, row) => {
        const put = await place(ctx, tx, found.row.value, name, part, written)
        await tell(ctx, tx, row, { event: 's3:ObjectAnnotation:Put', bucket, key }, put, call)
        return put
      })
      const output: Awaited<ReturnType<Handler<'PutObjectAnnotation'>>> = {
        Key: key,
        AnnotationName: name,
        ETag: `"${part.e}"`,
        ...idOf(row, version),
      }
      addChecksum(output, part.k)
      showEncryption(output, part.sse, undefined)
      return output
    } catch (error) {
      await discardWritten(ctx, written, error)
      throw error
    }
  }
}

export function getObjectAnnotation(ctx: Context): Handler<'GetObjectAnnotation'> {
  return async (input, call) => {
    const { bucket, key } = objectAddress(input)
    const name = checkAnnotationName(input.AnnotationName)
    const { version, row: bucketRow } = await open(ctx, input)
    const set = version.an?.[0]
    const row =
      set === undefined
        ? undefined
        : await readRow(ctx.metadata, bucket, 'part', annotationSort(set, name))
    if (row === undefined) throw noSuchAnnotation(key, name)
    const { t, s, e, k, x, sse } = row.value
    const opening = openingOf(ctx, sse, undefined)
    const content = x === undefined ? undefined : { x }
    const whole = { start: 0, end: s }
    const output: Awaited<ReturnType<Handler<'GetObjectAnnotation'>>> = {
      AnnotationPayload: await readContent(ctx, bucket, content, row.bytes, whole, call, opening),
      ContentLength: s,
      LastModified: new Date(t),
      ETag: `"${e}"`,
      ...idOf(bucketRow, version),
    }
    if (input.ChecksumMode === 'ENABLED') addChecksum(output, k)
    showEncryption(output, sse, undefined)
    return output
  }
}

export function listObjectAnnotations(ctx: Context): Handler<'ListObjectAnnotations'> {
  return async (input) => {
    const { bucket, key } = objectAddress(input)
    const { AnnotationPrefix: prefix = '', ContinuationToken: token } = input
    if (prefix !== '' && !isPrefix(prefix)) throw new S3Error('InvalidPrefix')
    const max = pageMax(input.MaxAnnotationResults, 'max-annotation-results')
    const after = token ? decodeToken('annotations', token) : undefined
    const { version, row } = await open(ctx, input)
    const found =
      version.an === undefined || max === 0
        ? []
        : await annotationsIn(ctx, bucket, version.an[0], { prefix, after, limit: max + 1 })
    const page = found.slice(0, max)
    return {
      Bucket: bucket,
      Key: key,
      Annotations: page.map(entryOf),
      AnnotationCount: page.length,
      MaxAnnotationResults: max,
      ...idOf(row, version),
      ...(prefix !== '' && { AnnotationPrefix: prefix }),
      ...(token !== undefined && { ContinuationToken: token }),
      ...(found.length > max && {
        NextContinuationToken: encodeToken('annotations', page.at(-1)!.name),
      }),
    }
  }
}

/** The model has forgotten the header that S3's reference speaks of (openapi/patches.ts). */
interface Bypassing {
  readonly BypassGovernanceRetention?: boolean | undefined
}

export function deleteObjectAnnotation(ctx: Context): Handler<'DeleteObjectAnnotation'> {
  return async (input, call) => {
    const address = objectAddress(input)
    const name = checkAnnotationName(input.AnnotationName)
    const asked = (input as Bypassing).BypassGovernanceRetention
    const { value: known } = await ctx.buckets.read(address.bucket)
    const bypass = await bypassAsked(asked, call, known, address)
    const { row, version } = await changeAnnotated(ctx, input, async (tx, found, row) => {
      const { an, ...rest } = found.row.value
      const sort = an && annotationSort(an[0], name)
      const before = sort === undefined ? undefined : await tx.look('part', sort)
      if (an === undefined || before === undefined) return undefined
      checkUnlocked(found.row.value, ctx.clock.now(), bypass)
      tx.delete('part', before.sort)
      discardContent(ctx, tx, before.value.x && { x: before.value.x })
      const left = an[1] - 1
      const version: VersionRow = left === 0 ? rest : { ...rest, an: [an[0], left] }
      await tell(ctx, tx, row, { event: 's3:ObjectAnnotation:Delete', ...address }, version, call)
      return version
    })
    return idOf(row, version)
  }
}

/** The text, verified, with its digests computed. Rejects what is empty, too long, or no UTF-8. */
async function textOf(
  payload: Payload | undefined,
  algorithm: Parameters<typeof digestsFor>[0],
): Promise<Uint8Array> {
  const tooLarge = (): S3Error =>
    new S3Error('EntityTooLarge', { fields: { MaxSizeAllowed: String(ANNOTATION_BYTES_MAX) } })
  if ((payload?.size ?? 0) > ANNOTATION_BYTES_MAX) throw tooLarge()
  const taken = await payload?.take(ANNOTATION_BYTES_MAX, digestsFor(algorithm, true))
  if (taken === undefined || (taken instanceof Uint8Array && taken.length === 0)) {
    throw new S3Error('InvalidRequest', { message: 'The annotation payload is empty.' })
  }
  if (!(taken instanceof Uint8Array)) throw tooLarge()
  if (!isUtf8(taken)) {
    throw new S3Error('UnsupportedMediaType', {
      message: 'The annotation payload is not valid UTF-8 encoded text.',
    })
  }
  return taken
}

/** What encrypts an annotation of that version: a data key of its own, under what wraps the version's. */
export function inheriting(
  ctx: Context,
  { sse }: VersionRow,
): ReturnType<typeof sealingWith> | undefined {
  if (sse === undefined) return undefined
  const { key: _key, ...wanted } = sse
  return sealingWith(ctx, wanted)
}

/** Puts an annotation in its place; gives the version as it then is. */
async function place(
  ctx: Context,
  tx: Tx,
  version: VersionRow,
  name: string,
  part: PartRow,
  written: Written,
): Promise<VersionRow> {
  const [set, count] = version.an ?? [ctx.ids.next(), 0]
  const sort = annotationSort(set, name)
  const before = count === 0 ? undefined : await tx.look('part', sort)
  if (before !== undefined) {
    // What stood there goes for good.
    checkUnlocked(version, ctx.clock.now(), false)
    discardContent(ctx, tx, before.value.x && { x: before.value.x })
  } else if (count >= ANNOTATIONS_MAX) throw new S3Error('AnnotationLimitExceeded')
  tx.put('part', sort, part, written.bytes)
  return { ...version, an: [set, before === undefined ? count + 1 : count] }
}

/** Commits what `change` makes of the version (nothing: undefined), which has to be there and to match. */
async function changeAnnotated(
  ctx: Context,
  input: Asked,
  change: (tx: Tx, found: Found, bucket: BucketRow) => Promise<VersionRow | undefined>,
): Promise<{ readonly row: BucketRow; readonly version: VersionRow }> {
  const { bucket, key } = objectAddress(input)
  const versionId = input.VersionId
  if (versionId !== undefined) checkVersionId(versionId)
  return transact(ctx.metadata, bucket, async (tx) => {
    const row = await ctx.buckets.inBucket(tx, bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, row)
    const found = await findInChain(tx, key, await tx.get('object', key), versionId)
    if (found === undefined) throw noSuchObject(key, versionId)
    const { value, sort, bytes } = found.row
    if (value.d === 1) throw markerError(value, key, versionId)
    checkSource('x-amz-object-', { IfMatch: input.ObjectIfMatch }, value)
    const version = await change(tx, found, row)
    if (version !== undefined) tx.put(found.table, sort, version, bytes)
    return { row, version: version ?? value }
  })
}

/** The version as it is now, and its bucket. */
async function open(
  ctx: Context,
  input: Asked,
): Promise<{ readonly row: BucketRow; readonly version: VersionRow }> {
  const address = objectAddress(input)
  const { row: found } = await findObject(ctx, address, input.VersionId)
  const { value: row } = await ctx.buckets.read(address.bucket)
  checkExpectedOwner(input.ExpectedBucketOwner, row)
  return { row, version: found.value }
}

async function tell(
  ctx: Context,
  tx: Tx,
  bucket: BucketRow,
  what: { readonly event: string; readonly bucket: string; readonly key: string },
  version: VersionRow,
  call: Call,
): Promise<void> {
  await announce(ctx, tx, bucket, { ...what, version, call })
}

function idOf(bucket: BucketRow, version: VersionRow): { ObjectVersionId?: string } {
  const id = shownId(bucket, version)
  return id === undefined ? {} : { ObjectVersionId: id }
}

function entryOf({ name, part: { t, s, e, k } }: Named) {
  return {
    AnnotationName: name,
    LastModified: new Date(t),
    ETag: `"${e}"`,
    Size: s,
    ...(k !== undefined && { ChecksumAlgorithm: [k[0]] }),
  }
}

function isPrefix(prefix: string): boolean {
  try {
    checkAnnotationName(prefix)
    return true
  } catch {
    return false
  }
}

function noSuchAnnotation(key: string, name: string): S3Error {
  return new S3Error('NoSuchAnnotation', { fields: { Key: key, AnnotationName: name } })
}
