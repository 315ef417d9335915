/**
 * CopyObject: a new version over the bytes of another one. No byte moves: inlined content is copied
 * with its row, and blobs are shared (share.ts). Only a checksum of another algorithm makes us read, and
 * another encryption, or a source of so many fragments that its manifest does not fit into one commit.
 *
 * The copy keeps the source's ETag and, where it was uploaded in parts, its parts.
 */
import { S3Error } from '../api/error.ts'
import { COPY_BYTES_MAX } from '../api/limits.ts'
import type { Call, Handler, Input, Output } from '../api/operations.ts'
import { createDigest } from '../lib/digest.ts'
import type { DraftSet } from './annotation-rows.ts'
import { announce } from './announce.ts'
import { addChecksum, algorithmNamed } from './checksum.ts'
import { checkWrite } from './condition.ts'
import { discardWritten, partsContent, readContent, readPage, writeContent } from './content.ts'
import type { Context } from './context.ts'
import { adoptAnnotations, copiedAnnotations } from './copy-annotations.ts'
import {
  type CopySource,
  findCopySource,
  type FoundSource,
  parseCopySource,
} from './copy-source.ts'
import { sourceKey } from './customer-key.ts'
import {
  isWrappedAlike,
  type Opening,
  openingOf,
  sealingWith,
  showEncryption,
  type Wanted,
} from './encryption.ts'
import { wantedEncryption } from './encryption-request.ts'
import { demand } from './demand.ts'
import { expirationOf } from './expiration.ts'
import { checkRedirect, storedHeaders, storedMetadata } from './headers.ts'
import { askedLock, withLock } from './lock.ts'
import {
  type Address,
  checkExpectedOwner,
  objectAddress,
  refuseUnsupported,
  storedClass,
} from './object-input.ts'
import { possess } from './ownership.ts'
import {
  type BucketRow,
  changedPart,
  type Content,
  type StoredEncryption,
  type StoredHeaders,
  type StoredLock,
  type StoredPart,
  type StoredTag,
  type VersionRow,
} from './rows.ts'
import { borrow, type Borrowed, checkStillBorrowed, giveBack } from './share.ts'
import { tagsFromHeader } from './tags.ts'
import { Contended, transact, type Tx } from './transact.ts'
import {
  discardAnnotations,
  type Mutable,
  own,
  pushVersion,
  shownId,
  type VersionDraft,
  writtenId,
} from './version.ts'

/** Times that the source may change under us. */
const ATTEMPTS_MAX = 16
/** Pages that are rewritten, or written, in one commit; an object of 10,000 plain parts has 20. */
const SHARED_PAGES_MAX = 24

type CopyInput = Input<'CopyObject'> & { readonly ExpiresString?: string | undefined }

export function copyObject(ctx: Context): Handler<'CopyObject'> {
  return async (input, call) => {
    const target = objectAddress(input)
    refuseUnsupported(input)
    const address = parseCopySource(input.CopySource ?? '')
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const source = await findCopySource(ctx, address, input, call)
      const output = await copy(ctx, input, call, target, address, source)
      if (output !== undefined) return output
    }
    throw new Contended('the source of the copy changed all the time')
  }
}

/** One attempt; undefined where the source is no longer what it was. */
async function copy(
  ctx: Context,
  input: CopyInput,
  call: Call,
  target: Address,
  address: CopySource,
  source: FoundSource,
): Promise<Output<'CopyObject'> | undefined> {
  const from = source.row.value
  if (from.s > COPY_BYTES_MAX) {
    throw new S3Error('InvalidRequest', {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${COPY_BYTES_MAX}`,
    })
  }
  const { value: bucket } = await ctx.buckets.read(target.bucket)
  checkExpectedOwner(input.ExpectedBucketOwner, bucket)
  const key = sourceKey(input)
  const opening = openingOf(ctx, from.sse, key)
  const wanted = await wantedEncryption(ctx, input, bucket)
  const isAlike = isWrappedAlike(from.sse, key, wanted)
  const isSelf =
    source.table === 'object' && address.bucket === target.bucket && address.key === target.key
  if (isSelf && isAlike) checkChanges(input, from)
  const draft = draftOf(ctx, input, call, bucket, from)
  const tags = await tagsOf(ctx, input, call, target, address, from)
  if (tags !== undefined) draft.tg = tags
  const lock = await askedLock(input, call, bucket, target, ctx.clock.now())
  const annotations = await copiedAnnotations(ctx, { input, call, target, address, source, wanted })
  if (annotations === 'changed') return undefined
  const asked: AskedCopy = { input, call, target, draft, lock, opening, wanted, annotations }
  await setChecksum(ctx, draft, source, input.ChecksumAlgorithm, call, opening)
  const answered = (output: Output<'CopyObject'> | undefined): typeof output => {
    if (output !== undefined) showEncryption(output, wanted, wanted?.customer?.md5)
    return output
  }
  // Where the source itself is what the copy replaces, its content simply stays.
  const stays = isSelf && bucket.versioning !== 'Enabled' && from.v === 'null'
  const writesPages = !stays || isOtherAlgorithm(draft, from)
  const isTooLong = writesPages && (from.c?.g?.length ?? 0) > SHARED_PAGES_MAX
  if (!isAlike || isTooLong) return answered(await copyBytes(ctx, asked, call, source))
  if (from.sse !== undefined) draft.sse = sameEncryption(from.sse, wanted?.bk)
  if (stays) return answered(await replaceSelf(ctx, asked, source))
  const borrowed = from.c === undefined ? undefined : await borrow(ctx, source)
  if (from.c !== undefined && borrowed === undefined) return undefined
  return answered(await commitCopy(ctx, asked, source, borrowed, source.row.bytes))
}

/** What the copy is to be, and where. */
interface AskedCopy {
  readonly input: CopyInput
  readonly call: Call
  readonly target: Address
  readonly draft: Mutable<VersionDraft>
  readonly lock: StoredLock | undefined
  /** Of the source. */
  readonly opening: Opening | undefined
  /** The encryption of the copy. */
  readonly wanted: Wanted | undefined
  /** Written already, for the copy to name. */
  readonly annotations: DraftSet | undefined
}

/** The same data key under the same wrapping. */
function sameEncryption(
  { bk: _before, ...sse }: StoredEncryption,
  bk: 1 | undefined,
): StoredEncryption {
  return bk === undefined ? sse : { ...sse, bk }
}

/** The tags of the copy: those of the source, or those of the request. Rejects with AccessDenied for who may not read, or give, them. */
async function tagsOf(
  ctx: Context,
  input: CopyInput,
  call: Call,
  target: Address,
  { bucket, key, versionId }: CopySource,
  from: VersionRow,
): Promise<readonly StoredTag[] | undefined> {
  const replaces = input.TaggingDirective === 'REPLACE'
  const tags = replaces ? tagsFromHeader(ctx, input.Tagging) : from.tg
  if (tags === undefined) return undefined
  if (!replaces) {
    if (versionId === undefined) await demand(call, 's3:GetObjectTagging', { bucket, key })
    else await demand(call, 's3:GetObjectVersionTagging', { bucket, key, versionId })
  }
  await demand(call, 's3:PutObjectTagging', target)
  return tags
}

/** Rejects a copy of an object onto itself that would change nothing, as S3 does. */
function checkChanges(input: CopyInput, from: VersionRow): void {
  if (input.MetadataDirective === 'REPLACE') return
  if (input.ServerSideEncryption !== undefined || input.SSECustomerAlgorithm !== undefined) return
  if (input.StorageClass !== undefined && storedClass(input.StorageClass) !== from.sc) return
  if (input.WebsiteRedirectLocation !== undefined) return
  const algorithm = algorithmNamed(input.ChecksumAlgorithm)
  if (algorithm !== undefined && algorithm !== from.k?.[0]) return
  throw new S3Error('InvalidRequest', {
    message:
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  })
}

function draftOf(
  ctx: Context,
  input: CopyInput,
  call: Call,
  bucket: BucketRow,
  from: VersionRow,
): Mutable<VersionDraft> {
  const { owner, acl } = possess(ctx, call, bucket, input)
  const draft: Mutable<VersionDraft> = { t: 0, s: from.s, e: from.e }
  own(draft, owner, bucket)
  if (from.k !== undefined) draft.k = from.k
  const replaces = input.MetadataDirective === 'REPLACE'
  const headers = replaces
    ? storedHeaders(input)
    : copiedHeaders(from.h, input.WebsiteRedirectLocation)
  const metadata = replaces ? storedMetadata(input.Metadata) : from.m
  const storageClass = storedClass(input.StorageClass)
  if (headers !== undefined) draft.h = headers
  if (metadata !== undefined) draft.m = metadata
  if (acl !== undefined) draft.acl = acl
  if (storageClass !== undefined) draft.sc = storageClass
  return draft
}

/** A redirect is never copied along: it stands for the object that the request names. */
function copiedHeaders(
  from: StoredHeaders | undefined,
  redirect: string | undefined,
): StoredHeaders | undefined {
  if (redirect !== undefined) checkRedirect(redirect)
  const { WebsiteRedirectLocation: _, ...headers } = from ?? {}
  const all = redirect === undefined ? headers : { ...headers, WebsiteRedirectLocation: redirect }
  return Object.keys(all).length === 0 ? undefined : all
}

/** Reads the source's bytes where a checksum is asked for that it does not have. */
async function setChecksum(
  ctx: Context,
  draft: Mutable<VersionDraft>,
  { bucket, row }: FoundSource,
  asked: string | undefined,
  call: Call,
  opening: Opening | undefined,
): Promise<void> {
  const algorithm = algorithmNamed(asked)
  if (algorithm === undefined || algorithm === draft.k?.[0]) return
  const digest = createDigest(algorithm)
  const whole = { start: 0, end: row.value.s }
  const body = await readContent(ctx, bucket, row.value.c, row.bytes, whole, call, opening)
  if (body instanceof Uint8Array) digest.update(body)
  else for await (const chunk of body) digest.update(chunk)
  draft.k = [algorithm, digest.value(), 'FULL_OBJECT']
}

async function replaceSelf(
  ctx: Context,
  asked: AskedCopy,
  source: FoundSource,
): Promise<Output<'CopyObject'> | undefined> {
  const { input, target, draft, lock } = asked
  const { bucket, key } = target
  let bucketRow = source.bucketRow
  const version = await transact(ctx.metadata, bucket, async (tx: Tx) => {
    bucketRow = await ctx.buckets.inBucket(tx, bucket)
    const head = await tx.get('object', key)
    if (head?.rev !== source.row.rev || bucketRow.versioning === 'Enabled') return undefined
    checkWrite(input, key, head.value)
    draft.t = ctx.clock.now()
    const { c } = head.value
    if (c !== undefined)
      draft.c = isOtherAlgorithm(draft, head.value)
        ? await dropPartChecksums(ctx, tx, bucket, c)
        : c
    // What is replaced goes with its annotations, but for its content, which stays.
    if (head.value.an !== undefined) discardAnnotations(ctx, tx, head.value.an[0])
    await adoptAnnotations(tx, draft, asked.annotations)
    const locked = withLock(draft, bucketRow, lock)
    const made = await pushVersion(ctx, tx, bucketRow, key, head, locked, head.bytes, head.value.q)
    await announceCopy(ctx, tx, bucketRow, asked, made)
    return made
  })
  return version === undefined ? undefined : answer(ctx, source, bucketRow, target, version)
}

async function announceCopy(
  ctx: Context,
  tx: Tx,
  bucketRow: BucketRow,
  { target, call }: AskedCopy,
  version: VersionRow,
): Promise<void> {
  const event = 's3:ObjectCreated:Copy'
  await announce(ctx, tx, bucketRow, { event, ...target, version, call })
}

/** Writes the source's bytes anew, as one blob: its manifest is more than one commit takes, or its encryption is another. */
async function copyBytes(
  ctx: Context,
  asked: AskedCopy,
  call: Call,
  source: FoundSource,
): Promise<Output<'CopyObject'>> {
  const { draft, opening, wanted } = asked
  const { c, s: size } = source.row.value
  const whole = { start: 0, end: size }
  const body = await readContent(ctx, source.bucket, c, source.row.bytes, whole, call, opening)
  const sealing = wanted === undefined ? undefined : sealingWith(ctx, wanted)
  if (sealing !== undefined) {
    draft.sse = sealing.stored
    draft.e = sealing.etag(draft.e)
  }
  const written = await writeContent(ctx, body, call, size, sealing)
  try {
    if (written.extents !== undefined) draft.c = { x: written.extents }
    return await commitCopy(ctx, asked, source, undefined, written.bytes)
  } catch (error) {
    await discardWritten(ctx, written, error)
    throw error
  }
}

async function commitCopy(
  ctx: Context,
  asked: AskedCopy,
  source: FoundSource,
  borrowed: Borrowed | undefined,
  bytes: Uint8Array | undefined,
): Promise<Output<'CopyObject'>> {
  const { input, target, draft, lock } = asked
  const { bucket, key } = target
  let bucketRow = source.bucketRow
  try {
    const version = await transact(ctx.metadata, bucket, async (tx: Tx) => {
      bucketRow = await ctx.buckets.inBucket(tx, bucket)
      const head = await tx.get('object', key)
      checkWrite(input, key, head?.value)
      draft.t = ctx.clock.now()
      if (borrowed !== undefined) {
        checkStillBorrowed(ctx, borrowed)
        const { extents, parts } = borrowed
        const keeps = !isOtherAlgorithm(draft, source.row.value)
        draft.c =
          parts === undefined
            ? { x: extents! }
            : partsContent(ctx, tx, keeps ? parts : withoutChecksums(parts))
      }
      await adoptAnnotations(tx, draft, asked.annotations)
      const locked = withLock(draft, bucketRow, lock)
      const made = await pushVersion(ctx, tx, bucketRow, key, head, locked, bytes)
      await announceCopy(ctx, tx, bucketRow, asked, made)
      return made
    })
    return await answer(ctx, source, bucketRow, target, version)
  } catch (error) {
    if (borrowed !== undefined) await giveBack(ctx, bucket, borrowed, error)
    throw error
  }
}

/** Parts bear checksums of the object's algorithm: where that has changed, theirs say nothing any more. */
function isOtherAlgorithm(now: VersionDraft, before: VersionRow): boolean {
  return now.k?.[0] !== before.k?.[0]
}

function withoutChecksums(parts: readonly StoredPart[]): readonly StoredPart[] {
  return parts.map((part) => changedPart(part, { checksum: null }))
}

/** The content with its parts as they are but for their checksums; pages are written anew, where they are. */
async function dropPartChecksums(
  ctx: Context,
  tx: Tx,
  bucket: string,
  content: Content,
): Promise<Content> {
  for (const [sort] of content.g ?? []) {
    tx.put('page', sort, { p: withoutChecksums(await readPage(ctx, bucket, sort)) })
  }
  return content.p === undefined ? content : { ...content, p: withoutChecksums(content.p) }
}

async function answer(
  ctx: Context,
  source: FoundSource,
  bucket: BucketRow,
  target: Address,
  version: VersionRow,
): Promise<Output<'CopyObject'>> {
  const result: NonNullable<Output<'CopyObject'>['CopyObjectResult']> = {
    ETag: `"${version.e}"`,
    LastModified: new Date(version.t),
  }
  addChecksum(result, version.k)
  const output: Output<'CopyObject'> = { CopyObjectResult: result }
  const sourceId = shownId(source.bucketRow, source.row.value)
  const versionId = writtenId(bucket, version)
  if (sourceId !== undefined) output.CopySourceVersionId = sourceId
  if (versionId !== undefined) output.VersionId = versionId
  const expiration = expirationOf(ctx, bucket, target.bucket, target.key, version)
  if (expiration !== undefined) output.Expiration = await expiration
  return output
}
