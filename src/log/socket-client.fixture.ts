/** A client of a log's server, as a `StorageEngine`: what the protocol carries is what the suite asks of any engine. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { checkIndex, checkKept, checkRange } from './bounds.ts'
import { StoreClosed } from './errors.ts'
import { FrameReader } from './frame-reader.ts'
import { ListBatch } from './list-batch.ts'
import {
  type EntryBatch,
  ENTRY_BYTES_MAX,
  type HardState,
  type LogEntry,
  type LogId,
  type LogStats,
  type LogStore,
  type MetaStore,
  type Problem,
  RANGE_BYTES_MAX,
  type StorageEngine,
} from './store.ts'
import { Terms } from './terms.ts'
import {
  CALL,
  CODE,
  decodeError,
  entriesSize,
  FRAME_BYTES_MAX,
  FRAME_HEAD_BYTES,
  FrameBody,
  PROTOCOL_MAGIC,
  PROTOCOL_VERSION,
  writeEntries,
  writeU64,
} from './wire.ts'

interface Waiting {
  readonly call: number
  readonly resolve: (body: FrameBody) => void
  readonly reject: (error: unknown) => void
}

/** Frames out and in: a call is a promise. */
export class Wire {
  readonly socket: Socket
  readonly #reader = new FrameReader(FRAME_BYTES_MAX)
  readonly #waiting = new Map<number, Waiting>()
  #id = 0
  /** What the server said of the connection. */
  #word: Error | undefined
  #isClosed = false

  constructor(path: string) {
    this.socket = connect(path)
    this.socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk)
      for (let frame = this.#reader.next(); frame; frame = this.#reader.next()) this.#take(frame)
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.#isClosed = true
      for (const { reject } of this.#waiting.values()) reject(this.lost)
      this.#waiting.clear()
    })
  }

  get lost(): Error {
    return this.#word ?? new StoreClosed('The connection to the log is closed')
  }

  /** Calls that are not answered, but for those that wait for an entry. */
  get open(): number {
    return [...this.#waiting.values()].filter(({ call }) => call !== CALL.WAIT_DURABLE).length
  }

  call(call: number, body: Buffer = Buffer.alloc(0)): Promise<FrameBody> {
    if (this.#isClosed) return Promise.reject(this.lost)
    const id = ++this.#id
    const head = Buffer.alloc(FRAME_HEAD_BYTES)
    head.writeUInt32LE(FRAME_HEAD_BYTES - 4 + body.length, 0)
    head.writeUInt32LE(id, 4)
    head[8] = call
    this.socket.cork()
    this.socket.write(head)
    this.socket.write(body)
    process.nextTick(() => this.socket.uncork())
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { call, resolve, reject })
    })
  }

  async greet(version: number = PROTOCOL_VERSION): Promise<FrameBody> {
    const body = Buffer.alloc(12)
    body.write(PROTOCOL_MAGIC)
    body.writeUInt32LE(version, 8)
    return this.call(CALL.HELLO, body)
  }

  async close(): Promise<void> {
    const closed = this.socket.closed ? undefined : once(this.socket, 'close')
    this.socket.end()
    await closed
  }

  #take(frame: Buffer): void {
    const id = frame.readUInt32LE(0)
    const code = frame[4]!
    const body = new FrameBody(frame, 5)
    if (id === 0) this.#word = decodeError(code, body)
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (code === CODE.DONE) waiting?.resolve(body)
    else waiting?.reject(decodeError(code, body))
  }
}

/** How things stood when a call was answered. */
interface Mirror {
  boundary: LogId | undefined
  last: LogId | undefined
  durable: number
}

/** Connects; rejects as the server says where it is not welcome. */
export async function connectLog(path: string): Promise<StorageEngine> {
  const wire = new Wire(path)
  try {
    const welcome = await wire.greet()
    const [, flags] = [welcome.u32(), welcome.u32(), welcome.u32()]
    const log = new SocketLog(
      wire,
      flags === 1,
      mirrorIn(welcome),
      welcome.take(welcome.left).toString(),
    )
    await log.learn()
    const meta = new SocketState(wire, () => log.isClosed)
    return { log, meta, [Symbol.asyncDispose]: () => log[Symbol.asyncDispose]() }
  } catch (error) {
    wire.socket.destroy()
    throw error
  }
}

class SocketLog implements LogStore {
  readonly isWriteDurable: boolean
  readonly #wire: Wire
  readonly #engine: string
  #mirror: Mirror
  readonly #terms = new Terms()
  #stats = { sizeBytes: 0, files: 0, changes: 0, syncs: 0 }
  #closing: Promise<void> | undefined

  constructor(wire: Wire, isWriteDurable: boolean, mirror: Mirror, engine: string) {
    this.#wire = wire
    this.isWriteDurable = isWriteDurable
    this.#mirror = mirror
    this.#engine = engine
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  /** The terms of the entries that are there, and the figures. */
  async learn(): Promise<void> {
    for (let next = this.firstIndex(); next <= this.lastIndex();) {
      const body = await this.#wire.call(CALL.TERMS, numbers(next, this.lastIndex()))
      next = body.u64() + 1
      while (body.left > 0) this.#terms.note(body.u64(), body.u64())
    }
    await this.#measure()
  }

  async persistEntries(entries: readonly LogEntry[]): Promise<void> {
    this.#checkOpen()
    await this.#change(CALL.PERSIST, encodeEntries(entries))
    this.#note(entries)
  }

  async replaceRange(from: number, entries: readonly LogEntry[]): Promise<void> {
    this.#checkOpen()
    checkIndex(from)
    await this.#change(CALL.REPLACE, Buffer.concat([numbers(from), encodeEntries(entries)]))
    this.#terms.cut(from)
    this.#note(entries)
  }

  async truncate(from: number): Promise<void> {
    this.#checkOpen()
    checkIndex(from)
    await this.#change(CALL.TRUNCATE, numbers(from))
    this.#terms.cut(from)
  }

  async purge({ index, term }: LogId): Promise<void> {
    this.#checkOpen()
    await this.#change(CALL.PURGE, numbers(index, term))
  }

  async reset(): Promise<void> {
    this.#checkOpen()
    await this.#change(CALL.RESET)
    this.#terms.clear()
  }

  async flush(): Promise<void> {
    this.#checkOpen()
    await this.#change(CALL.FLUSH)
  }

  async waitDurable(index: number): Promise<void> {
    this.#checkOpen()
    checkIndex(index)
    this.#mirror = mirrorIn(await this.#wire.call(CALL.WAIT_DURABLE, numbers(index)))
  }

  async entry(index: number): Promise<LogEntry | undefined> {
    this.#checkOpen()
    checkIndex(index)
    const [entry] = await this.#read(index, index, 1)
    return entry
  }

  getEntries(
    from: number,
    to: number,
    options?: { readonly maxBytes?: number },
  ): Promise<EntryBatch> {
    this.#checkOpen()
    const maxBytes = options?.maxBytes ?? RANGE_BYTES_MAX
    checkRange(from, to, maxBytes)
    if (from <= Math.min(to, this.lastIndex())) checkKept(this.purgeBoundary(), from)
    return this.#read(from, to, maxBytes).then((entries) => new ListBatch(entries))
  }

  firstIndex(): number {
    return (this.#mirror.boundary?.index ?? 0) + 1
  }

  lastIndex(): number {
    return this.#mirror.last?.index ?? 0
  }

  durableIndex(): number {
    return this.#mirror.durable
  }

  lastLogId(): LogId | undefined {
    return this.#mirror.last
  }

  termOf(index: number): number | undefined {
    const { boundary } = this.#mirror
    if (index === boundary?.index) return boundary.term
    return index < this.firstIndex() || index > this.lastIndex() ? undefined : this.#terms.of(index)
  }

  purgeBoundary(): LogId | undefined {
    return this.#mirror.boundary
  }

  async *verify(): AsyncGenerator<Problem, void> {
    this.#checkOpen()
    const body = await this.#wire.call(CALL.VERIFY)
    while (body.left > 0) {
      const at = body.u64()
      const [whereBytes, messageBytes] = [body.u32(), body.u32()]
      yield {
        where: body.take(whereBytes).toString(),
        at,
        message: body.take(messageBytes).toString(),
      }
    }
  }

  stats(): LogStats {
    return {
      engine: this.#engine,
      firstIndex: this.firstIndex(),
      lastIndex: this.lastIndex(),
      durableIndex: this.durableIndex(),
      ...this.#stats,
    }
  }

  /** What was called is answered first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    while (this.#wire.open > 0) await new Promise((resolve) => setImmediate(resolve))
    await this.#wire.close()
  }

  async #change(call: number, body?: Buffer): Promise<void> {
    this.#mirror = mirrorIn(await this.#wire.call(call, body))
    await this.#measure()
  }

  async #measure(): Promise<void> {
    const stats = await this.#wire.call(CALL.STATS)
    const [, , , sizeBytes, files, changes, syncs] = Array.from({ length: 7 }, () => stats.u64())
    this.#stats = { sizeBytes: sizeBytes!, files: files!, changes: changes!, syncs: syncs! }
  }

  async #read(from: number, to: number, maxBytes: number): Promise<LogEntry[]> {
    const asked = Buffer.alloc(20)
    writeU64(asked, from, 0)
    writeU64(asked, to, 8)
    asked.writeUInt32LE(maxBytes, 16)
    return (await this.#wire.call(CALL.ENTRIES, asked)).entries()
  }

  #note(entries: readonly LogEntry[]): void {
    for (const { index, term } of entries) this.#terms.note(index, term)
  }

  #checkOpen(): void {
    if (this.isClosed) throw new StoreClosed('The log is closed')
  }
}

class SocketState implements MetaStore {
  readonly #wire: Wire
  readonly #isClosed: () => boolean

  constructor(wire: Wire, isClosed: () => boolean) {
    this.#wire = wire
    this.#isClosed = isClosed
  }

  async saveHardState({ term, vote }: HardState): Promise<void> {
    this.#checkOpen()
    const head = Buffer.from([...numbers(term), vote === undefined ? 0 : 1])
    // A lone surrogate is no UTF-8: its three bytes are sent as they would be.
    const bytes = vote?.isWellFormed() === false ? Buffer.from([0xed, 0xa0, 0x80]) : vote
    await this.#wire.call(CALL.SAVE_HARD_STATE, Buffer.concat([head, Buffer.from(bytes ?? '')]))
  }

  async loadHardState(): Promise<HardState | undefined> {
    this.#checkOpen()
    const body = await this.#wire.call(CALL.LOAD_HARD_STATE)
    if (body.left === 0) return undefined
    const term = body.u64()
    return body.u8() === 0 ? { term } : { term, vote: body.take(body.left).toString() }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #checkOpen(): void {
    if (this.#isClosed()) throw new StoreClosed('The store of the state is closed')
  }
}

function mirrorIn(body: FrameBody): Mirror {
  const id = (): LogId | undefined => {
    const [index, term] = [body.u64(), body.u64()]
    return index === 0 ? undefined : { index, term }
  }
  return { boundary: id(), last: id(), durable: body.u64() }
}

/** What a frame cannot say is refused here; the rest is for the server to judge. */
function encodeEntries(entries: readonly LogEntry[]): Buffer {
  for (const { index, term, payload } of entries) {
    if (!(payload instanceof Uint8Array)) throw new RangeError('A payload is not a Uint8Array')
    if (payload.length > ENTRY_BYTES_MAX) throw new RangeError('A payload is too long')
    for (const number of [index, term])
      if (!Number.isInteger(number) || number < 0) throw new RangeError(`${number} is no number`)
  }
  const bytes = Buffer.alloc(entriesSize(entries))
  writeEntries(bytes, entries, 0)
  return bytes
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8)
  for (const [i, value] of values.entries()) {
    if (!Number.isInteger(value) || value < 0) throw new RangeError(`${value} is no number`)
    writeU64(bytes, value, i * 8)
  }
  return bytes
}
