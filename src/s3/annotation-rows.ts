/** The rows of annotations: their names, a page of them in order, and a whole set made again for a copy. */
import { S3Error } from '../api/error.ts'
import type { Call } from '../api/operations.ts'
import { ulidFloor } from '../lib/ulid.ts'
import { afterPrefix, compareUtf8, utf8Length } from '../lib/utf8.ts'
import { readContent, writeContent } from './content.ts'
import type { Context } from './context.ts'
import { openingOf, type Sealing } from './encryption.ts'
import { allPartsOf, annotationSort, type PartRow, readRow, scanRows } from './rows.ts'
import { Contended, transact, type Tx } from './transact.ts'

const NAME_BYTES_MAX = 512
const PAGE = 500

export interface Named {
  readonly name: string
  readonly part: PartRow
}

/** The name, where it is one: 1 to 512 bytes of UTF-8, no control characters, not S3's own (`aws`, `s3`). */
export function checkAnnotationName(name: string | undefined): string {
  if (name === undefined || name === '') throw new S3Error('InvalidAnnotationName')
  if (utf8Length(name) > NAME_BYTES_MAX) throw new S3Error('AnnotationNameTooLong')
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const isBad = !name.isWellFormed() || /^(?:aws|s3)|[\0-\x1f\x7f]/i.test(name)
  if (isBad) throw new S3Error('InvalidAnnotationName', { fields: { AnnotationName: name } })
  return name
}

/** Annotations of a set in the order of their names: those with the prefix, behind `after`. */
export async function annotationsIn(
  ctx: Context,
  bucket: string,
  set: string,
  {
    prefix,
    after,
    limit,
  }: { readonly prefix: string; readonly after: string | undefined; readonly limit: number },
): Promise<readonly Named[]> {
  const first = annotationSort(set, prefix)
  const from = after === undefined ? first : `${annotationSort(set, after)}\0`
  const to = prefix === '' ? allPartsOf(set).to : (afterPrefix(first) ?? allPartsOf(set).to)
  if (compareUtf8(from, to) >= 0) return []
  const rows = await scanRows(ctx.metadata, bucket, 'part', { from, to, limit })
  return rows.map(({ sort, value }) => ({ name: sort.slice(set.length + 1), part: value }))
}

/** A set that is written, and that a version may yet come to name. */
export interface DraftSet {
  readonly an: readonly [set: string, count: number]
  /** The garbage row that takes it away again where no version does. */
  readonly garbage: string
}

/** Where a set is copied to, and what encrypts each annotation there. */
interface Target {
  readonly bucket: string
  sealing(): Sealing | undefined
}

/** A copy that takes longer than this is given up. */
const DRAFT_MS = 3_600_000

/**
 * Writes a set anew for another version, which may be in another bucket and under another encryption.
 * Garbage of an hour later names the set, so that nothing is left of a copy that comes to no end.
 */
export async function copyAnnotations(
  ctx: Context,
  from: { readonly bucket: string; readonly set: string },
  to: Target,
  call: Call,
): Promise<DraftSet> {
  const set = ctx.ids.next()
  const garbage = `${ulidFloor(ctx.clock.now() + DRAFT_MS).slice(0, 10)}${set.slice(10)}`
  await transact(ctx.metadata, to.bucket, async (tx) => {
    await ctx.buckets.inBucket(tx, to.bucket)
    tx.put('garbage', garbage, { upload: set })
  })
  let count = 0
  for (let after: string | undefined; ;) {
    const page = await annotationsIn(ctx, from.bucket, from.set, { prefix: '', after, limit: PAGE })
    for (const { name } of page) {
      if (await copyOne(ctx, from, to, set, name, call)) count++
    }
    if (page.length < PAGE) return { an: [set, count], garbage }
    after = page.at(-1)!.name
  }
}

/** False where it has just been removed. */
async function copyOne(
  ctx: Context,
  from: { readonly bucket: string; readonly set: string },
  to: Target,
  set: string,
  name: string,
  call: Call,
): Promise<boolean> {
  const row = await readRow(ctx.metadata, from.bucket, 'part', annotationSort(from.set, name))
  if (row === undefined) return false
  const { x, sse, ...kept } = row.value
  const content = x === undefined ? undefined : { x }
  const whole = { start: 0, end: kept.s }
  const opening = openingOf(ctx, sse, undefined)
  const body = await readContent(ctx, from.bucket, content, row.bytes, whole, call, opening)
  const sealing = to.sealing()
  const written = await writeContent(ctx, body, call, kept.s, sealing)
  const part: PartRow = {
    ...kept,
    ...(written.extents !== undefined && { x: written.extents }),
    ...(sealing !== undefined && { sse: sealing.stored }),
  }
  await transact(ctx.metadata, to.bucket, async (tx) => {
    await ctx.buckets.inBucket(tx, to.bucket)
    tx.put('part', annotationSort(set, name), part, written.bytes)
  })
  return true
}

/** The commit that names the set takes away the garbage that names it. Rejects where the sweep has it already. */
export async function adopt(tx: Tx, { garbage }: DraftSet): Promise<void> {
  if ((await tx.get('garbage', garbage)) === undefined) {
    throw new Contended('the copy of annotations took too long')
  }
  tx.delete('garbage', garbage)
}
