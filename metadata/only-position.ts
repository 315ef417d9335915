/** Ranges of one row. */
import type { Range } from './store.ts'

/**
 * The sort key that is all of the range, where it is just one. Such a scan is a `get` that leaves the
 * bytes out, and as common, so engines have a way of their own for it.
 */
export function onlyPosition({ from, to }: Range): string | undefined {
  const isOne = to?.length === from.length + 1 && to.endsWith('\0') && to.startsWith(from)
  return isOne ? from : undefined
}
