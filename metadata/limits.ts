/**
 * The bounds that `store.ts` promises, checked in one place for all engines. To overstep one is a
 * mistake of the program that calls, never of a client: a `RangeError`, before anything is done.
 * What is checked is about the size of a commit, so that a correct call pays next to nothing.
 */
import { utf8Length } from '../src/lib/utf8.ts'
import {
  COMMIT_BYTES_MAX,
  COMMIT_EXPECTS_MAX,
  COMMIT_STEP_BYTES,
  COMMIT_STEPS_MAX,
  COMMIT_WRITES_MAX,
  ROW_BYTES_MAX,
  SCAN_LIMIT_MAX,
  type Commit,
  type Expect,
  type Json,
  type Range,
  type Write,
} from './store.ts'

/** Most bytes of a sort key, and of a partition's name. */
export const SORT_BYTES_MAX = 1024
/** Most UTF-8 bytes that one UTF-16 unit can become. */
const UNIT_BYTES_MAX = 3

/** A position that is read or written. */
export function checkPosition(partition: string, sort: string): void {
  checkKey(partition)
  checkKey(sort)
}

/** Ends of a range may be longer than a sort key: what stands right behind the longest one is. */
export function checkRange(partition: string, { from, to, limit, fold }: Range): void {
  checkKey(partition)
  if (!from.isWellFormed() || (to !== undefined && !to.isWellFormed()))
    throw new RangeError('An end of a range is not well-formed text')
  if (!(limit >= 1 && limit <= SCAN_LIMIT_MAX && Number.isInteger(limit)))
    throw new RangeError(`A scan of ${limit} rows; it may be 1 to ${SCAN_LIMIT_MAX}`)
  if (fold === undefined) return
  if (fold.delimiter === '' || !fold.delimiter.isWellFormed())
    throw new RangeError('A fold needs a delimiter of well-formed text')
  if (!(fold.from >= 0 && Number.isInteger(fold.from)))
    throw new RangeError(`A fold at position ${fold.from}`)
}

/** Answers about how many bytes the commit takes. */
export function checkCommit({ partition, expects, writes }: Commit): number {
  checkKey(partition)
  if (expects.length > COMMIT_EXPECTS_MAX || writes.length > COMMIT_WRITES_MAX)
    throw new RangeError(`A commit of ${expects.length} expects and ${writes.length} writes`)
  let size = 0
  for (let i = 0; i < expects.length; i++) {
    checkKey(expects[i]!.sort)
    size += expects[i]!.sort.length
  }
  for (let i = 0; i < writes.length; i++) {
    size += checkWrite(writes[i]!)
    for (let j = 0; j < i; j++) {
      if (writes[j]!.sort === writes[i]!.sort && writes[j]!.table === writes[i]!.table)
        throw new RangeError(`A commit writes the ${writes[i]!.table} row twice`)
    }
  }
  if (size > COMMIT_BYTES_MAX) throw new RangeError(`A commit of about ${size} bytes`)
  checkSteps(expects, writes, Math.floor(size / COMMIT_STEP_BYTES))
  return size
}

function checkSteps(
  expects: readonly Expect[],
  writes: readonly Write[],
  stepsOfBytes: number,
): void {
  const rows = expects.length + writes.length
  if (rows * 2 + stepsOfBytes <= COMMIT_STEPS_MAX) return
  let steps = stepsOfBytes
  for (const { value } of writes) steps += value === null ? 2 : 1
  for (const { table, sort, rev } of expects)
    if (!writes.some((write) => write.sort === sort && write.table === table))
      steps += rev === 0 ? 2 : 1
  if (steps > COMMIT_STEPS_MAX) throw new RangeError(`A commit of ${steps} steps`)
}

function checkKey(key: string): void {
  if (!key.isWellFormed()) throw new RangeError('A key is not well-formed text')
  if (key.length * UNIT_BYTES_MAX <= SORT_BYTES_MAX) return
  if (key.length > SORT_BYTES_MAX || utf8Length(key) > SORT_BYTES_MAX)
    throw new RangeError(`A key of ${utf8Length(key)} bytes; it may have ${SORT_BYTES_MAX}`)
}

/** About how many bytes the write takes. */
function checkWrite({ sort, value, bytes }: Write): number {
  checkKey(sort)
  const size = sort.length + weigh(value)
  if (bytes === undefined) return size
  if (bytes.length > ROW_BYTES_MAX)
    throw new RangeError(`A row with ${bytes.length} bytes beside it`)
  if (value === null) throw new RangeError('A row is removed and has bytes')
  return size + bytes.length
}

/** About the length of the value as JSON text: at least a third of its bytes, at no cost of making it. */
function weigh(value: Json): number {
  if (typeof value === 'string') return value.length + 2
  if (typeof value !== 'object' || value === null) return 4
  let size = 2
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) size += weigh(value[i] as Json) + 1
    return size
  }
  const members = value as { readonly [name: string]: Json }
  for (const name in members) size += name.length + 4 + weigh(members[name]!)
  return size
}
