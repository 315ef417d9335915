/** Parts that stood in their rows get a blob: one for all of them, before their upload is completed. */
import type { Context } from './context.ts'
import { type Written } from './content.ts'
import type { UsedPart } from './object-of-parts.ts'
import { type Extent, partSort, readRow, type StoredPart, type Upload } from './rows.ts'
import { Contended } from './transact.ts'

/** The upload whose parts they are. */
interface Owner {
  readonly bucket: string
  readonly uploadId: string
  readonly upload: Upload
}

export interface Packed {
  readonly parts: readonly StoredPart[]
  /** The blob that now holds what stood in the parts' rows. */
  readonly written: Written
}

/** The parts with extents for all: inlined ones go into one new blob together. Undefined where they have changed. */
export async function packParts(
  ctx: Context,
  { bucket, uploadId, upload }: Owner,
  parts: readonly UsedPart[],
  signal: AbortSignal,
): Promise<Packed | undefined> {
  const inlined = parts.filter(({ row }) => row.x === undefined && row.s > 0)
  const size = inlined.reduce((sum, { row }) => sum + row.s, 0)
  const blob = ctx.ids.next()
  let changed = false
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (const { number, row } of inlined) {
      const now = await readRow(ctx.metadata, bucket, 'part', partSort(uploadId, number))
      changed = now?.bytes?.length !== row.s
      if (changed) throw new Contended('a part changed while it was read')
      yield now!.bytes!
    }
  }
  if (inlined.length > 0) {
    try {
      await ctx.storage.put(blob, bytes(), { size, signal })
    } catch (error) {
      if (changed) return undefined
      throw error
    }
  }
  let end = 0
  const stored = parts.map(({ number, row }): StoredPart => {
    let extents: readonly Extent[] = row.x ?? []
    if (row.x === undefined && row.s > 0) extents = [[blob, end, (end += row.s)]]
    const checksum = row.k?.[1] ?? null
    if (row.key === undefined || row.key === upload.sse?.key)
      return [number, row.s, checksum, extents]
    return [number, row.s, checksum, extents, row.key]
  })
  return { parts: stored, written: size === 0 ? { size } : { size, extents: [[blob, 0, size]] } }
}
