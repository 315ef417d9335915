/** Lists of extents: cut to a range, and joined where they touch. */
import type { Extent } from './rows.ts'

/** Extents that hold bytes `start` to `end` of what `extents` hold together. */
export function sliceExtents(
  extents: Iterable<Extent>,
  start: number,
  end: number,
): readonly Extent[] {
  const slice: Extent[] = []
  if (start >= end) return slice
  let at = 0
  for (const extent of extents) {
    const [blob, from, to, ref] = extent
    const next = at + (to - from)
    if (next > start && at < end) {
      const first = from + Math.max(start - at, 0)
      const last = to - Math.max(next - end, 0)
      slice.push(ref === undefined ? [blob, first, last] : [blob, first, last, ref])
    }
    at = next
  }
  return slice
}

/** Joins neighbours that follow each other in one blob under one ref. */
export function mergeExtents(extents: Iterable<Extent>): readonly Extent[] {
  const merged: Extent[] = []
  for (const extent of extents) {
    const last = merged.at(-1)
    if (
      last !== undefined &&
      last[0] === extent[0] &&
      last[2] === extent[1] &&
      last[3] === extent[3]
    ) {
      const [blob, start, , ref] = last
      merged[merged.length - 1] =
        ref === undefined ? [blob, start, extent[2]] : [blob, start, extent[2], ref]
    } else merged.push(extent)
  }
  return merged
}
