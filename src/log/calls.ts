/** The calls that a client of a log's server can make (docs/log-protocol.md): from the body of a call to that of its reply. */
import { isUtf8 } from 'node:buffer'
import {
  type EntryBatch,
  type HardState,
  type LogStore,
  type MetaStore,
  RANGE_BYTES_MAX,
  type StorageEngine,
} from './store.ts'
import {
  CALL,
  CODE,
  entriesSize,
  type FrameBody,
  PROBLEMS_MAX,
  TERMS_MAX,
  WireError,
  writeEntries,
  writeU64,
} from './wire.ts'

/** Makes the call at once; the body of its reply, once it is done. Throws `WireError` where that is no call: then none was made. */
export function carryOut(
  { log, meta }: StorageEngine,
  call: number,
  body: FrameBody,
): Buffer | Promise<Buffer> {
  switch (call) {
    case CALL.PERSIST:
      return changed(log, log.persistEntries(body.entries()))
    case CALL.REPLACE:
      return changed(log, log.replaceRange(body.u64(), body.entries()))
    case CALL.TRUNCATE:
      return changed(log, log.truncate(lastNumber(body)))
    case CALL.PURGE:
      return changed(log, log.purge({ index: body.u64(), term: lastNumber(body) }))
    case CALL.RESET:
      return changed(log, (body.end(), log.reset()))
    case CALL.FLUSH:
      return changed(log, (body.end(), log.flush()))
    case CALL.WAIT_DURABLE:
      return changed(log, log.waitDurable(lastNumber(body)))
    case CALL.STATE:
      body.end()
      return stateOf(log)
    default:
      return read(log, call, body) ?? readOrSaveState(meta, call, body)
  }
}

function read(log: LogStore, call: number, body: FrameBody): Buffer | Promise<Buffer> | undefined {
  switch (call) {
    case CALL.ENTRIES:
      return rangeOf(log, body)
    case CALL.TERMS:
      return termsOf(log, body.u64(), lastNumber(body))
    case CALL.VERIFY:
      body.end()
      return problemsOf(log)
    case CALL.STATS:
      body.end()
      return statsOf(log)
    default:
      return undefined
  }
}

function readOrSaveState(meta: MetaStore, call: number, body: FrameBody): Buffer | Promise<Buffer> {
  if (call === CALL.LOAD_HARD_STATE) {
    body.end()
    return meta.loadHardState().then(encodeHardState)
  }
  if (call === CALL.SAVE_HARD_STATE)
    return meta.saveHardState(decodeHardState(body)).then(() => EMPTY)
  throw new WireError(CODE.UNKNOWN_CALL, `There is no call ${call}`)
}

const EMPTY: Buffer = Buffer.alloc(0)

/** Boundary (index, term), last entry (index, term), durable index; an index of 0 is none. */
export function stateOf(log: LogStore): Buffer {
  const boundary = log.purgeBoundary()
  const last = log.lastLogId()
  return numbers(
    boundary?.index ?? 0,
    boundary?.term ?? 0,
    last?.index ?? 0,
    last?.term ?? 0,
    log.durableIndex(),
  )
}

async function changed(log: LogStore, done: Promise<void>): Promise<Buffer> {
  await done
  return stateOf(log)
}

/** At once where the engine answers at once: what is read of a log counts before more is read. */
function rangeOf(log: LogStore, body: FrameBody): Buffer | Promise<Buffer> {
  const from = body.u64()
  const to = body.u64()
  const asked = body.u32()
  body.end()
  const maxBytes = Math.min(asked === 0 ? RANGE_BYTES_MAX : asked, RANGE_BYTES_MAX)
  const batch = log.getEntries(from, to, { maxBytes })
  return batch instanceof Promise ? batch.then(encodeBatch) : encodeBatch(batch)
}

function encodeBatch(batch: EntryBatch): Buffer {
  const entries = [...batch]
  const bytes = Buffer.allocUnsafe(entriesSize(entries))
  writeEntries(bytes, entries, 0)
  return bytes
}

/** Up to which index it tells, then pairs: from which index on which term holds. */
function termsOf(log: LogStore, from: number, to: number): Buffer {
  const start = Math.max(from, log.purgeBoundary()?.index ?? 1)
  const end = Math.min(to, log.lastIndex(), start + TERMS_MAX - 1)
  const pairs: number[] = []
  for (let index = start; index <= end; index++) {
    const term = log.termOf(index)!
    if (pairs.at(-1) !== term || pairs.length === 0) pairs.push(index, term)
  }
  return numbers(Math.max(end, start - 1), ...pairs)
}

/** A vote is told from none by a byte before it. */
function decodeHardState(body: FrameBody): HardState {
  const term = body.u64()
  const hasVote = body.u8()
  const bytes = body.take(body.left)
  if (hasVote > 1 || (hasVote === 0 && bytes.length > 0))
    throw new WireError(CODE.BAD_FRAME, 'A vote begins with 1, and none is 0')
  if (hasVote === 0) return { term }
  if (!isUtf8(bytes)) throw new RangeError('A vote is not well-formed text')
  return { term, vote: bytes.toString() }
}

function encodeHardState(state: HardState | undefined): Buffer {
  if (state === undefined) return EMPTY
  const { term, vote } = state
  const bytes = Buffer.alloc(9 + (vote === undefined ? 0 : Buffer.byteLength(vote)))
  writeU64(bytes, term, 0)
  if (vote !== undefined) {
    bytes[8] = 1
    bytes.write(vote, 9)
  }
  return bytes
}

/** Of each problem: `at`, and the two texts with their lengths before them. */
async function problemsOf(log: LogStore): Promise<Buffer> {
  const pieces: Buffer[] = []
  let count = 0
  for await (const { where, at, message } of log.verify()) {
    const [first, second] = [Buffer.from(where), Buffer.from(message)]
    const head = Buffer.alloc(16)
    writeU64(head, at, 0)
    head.writeUInt32LE(first.length, 8)
    head.writeUInt32LE(second.length, 12)
    pieces.push(head, first, second)
    if (++count === PROBLEMS_MAX) break
  }
  return Buffer.concat(pieces)
}

function statsOf(log: LogStore): Buffer {
  const stats = log.stats()
  const { firstIndex, lastIndex, durableIndex, sizeBytes, files, changes, syncs } = stats
  const figures = numbers(firstIndex, lastIndex, durableIndex, sizeBytes, files, changes, syncs)
  return Buffer.concat([figures, Buffer.from(stats.engine)])
}

function lastNumber(body: FrameBody): number {
  const value = body.u64()
  body.end()
  return value
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 8)
  for (let i = 0; i < values.length; i++) writeU64(bytes, values[i]!, i * 8)
  return bytes
}
