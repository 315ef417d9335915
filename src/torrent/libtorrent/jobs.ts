/**
 * libtorrent's disk jobs, done on a `DiskIoBackend`. Jobs come in batches, in the order in which libtorrent
 * gave them, and are begun in that order: a read sees every write before it. Answers go back in batches.
 *
 * Back-pressure: while the disk is full, writes are taken but not answered. A peer that has an unanswered
 * write and is told that the disk is full reads no more of its socket until it is told otherwise.
 */
import { DiskError, type DiskIoBackend, type HashKinds, type StorageIndex } from '../disk-io.ts'
import {
  ANSWERS_MAX,
  CHECK,
  CLEAR,
  CLOSE,
  FLUSH,
  FLUSHES,
  HASH,
  HASH_BLOCK,
  IS_VOLATILE,
  JOB_FIELDS,
  type Native,
  type NativeEngine,
  OPEN,
  READ,
  type Started,
  WANTS_V1,
  WRITE,
} from './native.ts'

/** A torrent as its disk jobs need it. */
export interface Served {
  /** Where it is on the disk; rejects where it will not be there. */
  readonly bound: Promise<StorageIndex>
  /** What `ownBytes` says of it. */
  readonly own: Int32Array | undefined
  /** False while the disk cannot tell a right piece from a wrong one: it is made durable on our word. */
  readonly isVerifiable: boolean
  /** The disk failed; libtorrent stops the torrent. */
  onFailure(error: Error): void
  onOpen(): void
  /** Of what was opened, all jobs are done, and no more come. */
  onClose(): void
}

/** One that libtorrent has opened. */
interface Opened {
  readonly served: Served
  own: Int32Array | undefined
  storage: StorageIndex | undefined
  /** Jobs that are not answered yet, but for writes. */
  pending: number
  /** libtorrent has no more jobs for it. */
  isClosed: boolean
}

const KINDS: readonly HashKinds[] = [0, 1, 2, 3].map((bits) => ({
  v1: (bits & 1) !== 0,
  v2: (bits & 2) !== 0,
}))

export class DiskJobs {
  readonly #native: Native
  readonly #disk: DiskIoBackend
  readonly #served = new Map<number, Served>()
  readonly #opened = new Map<number, Opened>()
  readonly #slabs: Uint8Array[] = []
  #engine!: NativeEngine
  #jobs: Int32Array = new Int32Array()
  #answers: Int32Array = new Int32Array()
  #answered = 0
  #isRunning = false
  #isSending = false
  #isFull = false
  /** Writes that are answered when the disk has drained. */
  #held: number[] = []

  constructor(native: Native, disk: DiskIoBackend) {
    this.#native = native
    this.#disk = disk
  }

  /** Before a torrent is added under the key. */
  serve(key: number, served: Served): void {
    this.#served.set(key, served)
  }

  /** libtorrent opens nothing more under the key; what it has opened is served on. */
  forget(key: number): void {
    this.#served.delete(key)
  }

  /** Before the first batch. */
  started({ engine, jobs, answers }: Started): void {
    this.#engine = engine
    this.#jobs = jobs
    this.#answers = answers
  }

  addSlab(memory: ArrayBuffer): void {
    this.#slabs.push(new Uint8Array(memory))
  }

  /** Begins a batch; answers how many answers stand. */
  run(count: number): number {
    const jobs = this.#jobs
    this.#isRunning = true
    for (let at = 0; at < count * JOB_FIELDS; at += JOB_FIELDS) {
      const id = jobs[at + 2]!
      const opened = this.#opened.get(jobs[at + 3]!)
      if (opened?.storage === undefined) this.#runUnbound(at, opened)
      else if (jobs[at] === WRITE) this.#write(at, id, opened, opened.storage)
      else if (jobs[at] === READ) this.#read(at, id, opened, opened.storage)
      else this.#runOther(at, id, opened, opened.storage)
    }
    this.#isRunning = false
    const answered = this.#answered
    this.#answered = 0
    return answered
  }

  #write(at: number, id: number, opened: Opened, storage: StorageIndex): void {
    const jobs = this.#jobs
    const [piece, offset] = [jobs[at + 4]!, jobs[at + 5]!]
    const length = lengthOf(opened, piece, offset, jobs[at + 6]!)
    const from = jobs[at + 8]!
    const bytes = this.#slabs[jobs[at + 7]!]!.subarray(from, from + length)
    const flushes = (jobs[at + 1]! & FLUSHES) !== 0
    let isFull
    try {
      isFull = length > 0 && this.#disk.writeChunk(storage, piece, offset, bytes, flushes)
    } catch (error) {
      this.#report(opened, error)
      this.#answer(id, 1)
      return
    }
    if (isFull && !this.#isFull) this.#wait()
    if (this.#isFull) this.#held.push(id)
    else this.#answer(id, 0)
  }

  #wait(): void {
    this.#isFull = true
    this.#native.setFull(this.#engine, true)
    const goOn = (): void => {
      const held = this.#held
      this.#held = []
      this.#isFull = false
      for (const id of held) this.#answer(id, 0)
      this.#native.setFull(this.#engine, false)
    }
    this.#disk.drained().then(goOn, goOn)
  }

  #read(at: number, id: number, opened: Opened, storage: StorageIndex): void {
    const jobs = this.#jobs
    const [piece, offset, slab, to] = [jobs[at + 4]!, jobs[at + 5]!, jobs[at + 7]!, jobs[at + 8]!]
    const length = lengthOf(opened, piece, offset, jobs[at + 6]!)
    const block = this.#slabs[slab]!
    if (length < jobs[at + 6]!) {
      block.fill(0, to + length, to + jobs[at + 6]!)
      if (length === 0) {
        this.#answer(id, 0)
        return
      }
    }
    const isVolatile = (jobs[at + 1]! & IS_VOLATILE) !== 0
    const copy = (bytes: Uint8Array): void => {
      if (bytes.length !== length)
        throw new DiskError(`of ${length} bytes of piece ${piece} the disk read ${bytes.length}`)
      block.set(bytes, to)
    }
    this.#settle(
      id,
      opened,
      this.#disk.readChunk(storage, piece, offset, length, isVolatile).then(copy),
    )
  }

  #runOther(at: number, id: number, opened: Opened, storage: StorageIndex): void {
    const jobs = this.#jobs
    const disk = this.#disk
    const piece = jobs[at + 4]!
    switch (jobs[at]) {
      case HASH: {
        this.#settle(
          id,
          opened,
          this.#hash(id, opened, storage, piece, jobs[at + 1]!, jobs[at + 6]!),
        )
        break
      }
      case HASH_BLOCK: {
        const hashed = disk.hashBlock(storage, piece, jobs[at + 5]!)
        this.#settle(
          id,
          opened,
          hashed.then((leaf) => this.#native.answerHash(this.#engine, id, undefined, leaf)),
        )
        break
      }
      case CLEAR:
        this.#settle(id, opened, disk.clearPiece(storage, piece))
        break
      case FLUSH:
        this.#settle(id, opened, disk.flushAll(storage))
        break
      case CHECK:
        this.#answer(id, 0)
        break
      case CLOSE:
        this.#close(jobs[at + 3]!, opened)
        break
      default:
        throw new Error(`libtorrent's addon is of another version: it has a job ${jobs[at]}`)
    }
  }

  async #hash(
    id: number,
    { served }: Opened,
    storage: StorageIndex,
    piece: number,
    flags: number,
    leaves: number,
  ): Promise<void> {
    const kinds = KINDS[((flags & WANTS_V1) !== 0 ? 1 : 0) | (leaves > 0 ? 2 : 0)]!
    const hashes = await this.#disk.hashPieces(storage, piece, kinds)
    // libtorrent announces the piece when it is answered.
    if ((flags & FLUSHES) !== 0 || !served.isVerifiable) await this.#disk.flushPiece(storage, piece)
    this.#native.answerHash(this.#engine, id, hashes.v1, hashes.leaves)
  }

  /** What comes before a torrent is on the disk, or after it could not be. */
  #runUnbound(at: number, opened: Opened | undefined): void {
    const jobs = this.#jobs
    const [kind, id, native] = [jobs[at]!, jobs[at + 2]!, jobs[at + 3]!]
    if (kind === OPEN) {
      const served = this.#served.get(jobs[at + 4]!)
      if (served !== undefined) this.#open(native, served)
    } else if (kind === CLOSE) {
      if (opened !== undefined) this.#close(native, opened)
    } else if (kind === CHECK && opened !== undefined) {
      this.#settle(id, opened, opened.served.bound)
    } else this.#answer(id, kind === FLUSH || kind === CLEAR ? 0 : 1)
  }

  #open(native: number, served: Served): void {
    const opened: Opened = {
      served,
      own: undefined,
      storage: undefined,
      pending: 0,
      isClosed: false,
    }
    this.#opened.set(native, opened)
    served.onOpen()
    const bind = (storage: StorageIndex): void => {
      opened.storage = storage
      opened.own = served.own
    }
    served.bound.then(bind, () => {})
  }

  #close(native: number, opened: Opened): void {
    this.#opened.delete(native)
    opened.isClosed = true
    if (opened.pending === 0) opened.served.onClose()
  }

  #settle(id: number, opened: Opened, work: Promise<unknown>): void {
    opened.pending++
    work.then(
      () => this.#end(id, opened),
      (error: unknown) => {
        this.#report(opened, error)
        this.#end(id, opened, 1)
      },
    )
  }

  #end(id: number, opened: Opened, outcome: 0 | 1 = 0): void {
    this.#answer(id, outcome)
    if (--opened.pending === 0 && opened.isClosed) opened.served.onClose()
  }

  #report({ served }: Opened, error: unknown): void {
    served.onFailure(error instanceof Error ? error : new Error(String(error)))
  }

  #answer(id: number, outcome: 0 | 1): void {
    if (this.#answered === ANSWERS_MAX) this.#send()
    const at = 2 * this.#answered++
    this.#answers[at] = id
    this.#answers[at + 1] = outcome
    if (this.#isRunning || this.#isSending) return
    this.#isSending = true
    // After all promises that are settled by now: their answers go along.
    process.nextTick(() => {
      this.#isSending = false
      this.#send()
    })
  }

  #send(): void {
    const count = this.#answered
    this.#answered = 0
    if (count > 0) this.#native.answer(this.#engine, count)
  }
}

/** Of so many bytes, those that are a file's. */
function lengthOf({ own }: Opened, piece: number, offset: number, length: number): number {
  return own === undefined ? length : Math.max(0, Math.min(length, own[piece]! - offset))
}
