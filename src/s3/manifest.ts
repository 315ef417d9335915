/**
 * The parts of an object as rows: in the head while they are few, else in pages.
 *
 * A head is read by every GET and listing, so what it holds is bounded in bytes; a page is bounded
 * so that any engine takes it as one row. Parts that were copied may have many extents each, so
 * that counting parts alone would not do.
 */
import {
  type Content,
  INLINE_PARTS_MAX,
  PAGE_PARTS_MAX,
  type PageRef,
  pageSort,
  type StoredPart,
} from './rows.ts'

/** JSON text, about. */
const HEAD_BYTES_MAX = 16 * 1024
const PAGE_BYTES_MAX = 128 * 1024
const PART_BYTES = 60
const EXTENT_BYTES = 80

export interface Manifest {
  readonly id: string
  readonly content: Content
  /** Rows to be written before, or with, the head that names them. */
  readonly pages: readonly ManifestPage[]
}

export interface ManifestPage {
  readonly sort: string
  readonly parts: readonly StoredPart[]
  /** Of the row, about. */
  readonly bytes: number
}

/** Lays parts out under a manifest id that is not in use. */
export function layOut(id: string, parts: readonly StoredPart[]): Manifest {
  if (parts.length <= INLINE_PARTS_MAX && bytesOf(parts) <= HEAD_BYTES_MAX)
    return { id, content: { p: parts, n: parts.length }, pages: [] }
  const refs: PageRef[] = []
  const pages: ManifestPage[] = []
  let page: StoredPart[] = []
  let bytes = 0
  let firstByte = 0
  const close = (): void => {
    const sort = pageSort(id, pages.length)
    refs.push([sort, page[0]![0], firstByte])
    pages.push({ sort, parts: page, bytes })
    for (const part of page) firstByte += part[1]
    page = []
    bytes = 0
  }
  for (const part of parts) {
    const added = bytesOfPart(part)
    if (page.length > 0 && (page.length === PAGE_PARTS_MAX || bytes + added > PAGE_BYTES_MAX))
      close()
    page.push(part)
    bytes += added
  }
  close()
  return { id, content: { g: refs, n: parts.length }, pages }
}

function bytesOf(parts: readonly StoredPart[]): number {
  let bytes = 0
  for (const part of parts) bytes += bytesOfPart(part)
  return bytes
}

function bytesOfPart(part: StoredPart): number {
  return (
    PART_BYTES + (part[2]?.length ?? 0) + (part[4]?.length ?? 0) + EXTENT_BYTES * part[3].length
  )
}
