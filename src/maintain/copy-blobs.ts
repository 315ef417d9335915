/**
 * Blobs from one storage into another under the same ids, some at a time, ascending. How far all are
 * there is told at intervals, so that another run can go on from there.
 */
import { createHash } from 'node:crypto'
import type { BlobInfo, ObjectStorage } from '../../storage/store.ts'
import { createDigest } from '../lib/digest.ts'
import type { Body } from '../lib/stream.ts'
import { atOnce } from './at-once.ts'
import { LIFTED_END } from './lift-bodies.ts'
import { MaintenanceError } from './maintenance-error.ts'
import type { Progress } from './progress.ts'

const COPIES_AT_ONCE = 8
/** A blob up to this size is read whole. (8 MiB were no faster: fresh memory costs what the digest does.) */
const HELD_BYTES: number = 1024 * 1024
const BLOBS_PER_DELETE = 1000
/** How often it is told how far they are. */
const TELL_MS = 500

export interface BlobsCopy {
  readonly from: ObjectStorage
  readonly to: ObjectStorage
  /** Reads every blob back from the destination and compares it, a long one by the CRC32 of each MiB. */
  readonly verifies: boolean
  readonly signal: AbortSignal
  readonly progress: Progress
  /** All blobs up to `id` are there; so many have come since the last time. */
  tell(id: string, blobs: number, bytes: number): Promise<void>
}

/** Copies all blobs above `after`; what the destination has of these from an earlier attempt is made anew. */
export async function copyBlobs(copy: BlobsCopy, after: string): Promise<void> {
  await deleteAbove(copy, after)
  const total = { items: 0, bytes: 0 }
  copy.progress.begin('counting blobs')
  for await (const { size } of copy.from.list(after)) {
    copy.signal.throwIfAborted()
    total.items++
    total.bytes += size
    copy.progress.add(1, 0)
  }
  copy.progress.begin('copying blobs', total)
  const frontier = new Frontier(copy)
  try {
    await atOnce(frontier.pass(after), COPIES_AT_ONCE, async (entry) => {
      copy.signal.throwIfAborted()
      await copyOne(copy, entry)
      copy.progress.add(1, 0)
      await frontier.end(entry)
    })
  } finally {
    await frontier.tell()
  }
}

/** The last attempt may have come further than it could tell. (Bodies that it has lifted stay: rows name them.) */
async function deleteAbove({ to, signal }: BlobsCopy, after: string): Promise<void> {
  let ids: string[] = []
  for await (const { id } of to.list(after < LIFTED_END ? LIFTED_END : after)) {
    signal.throwIfAborted()
    ids.push(id)
    if (ids.length < BLOBS_PER_DELETE) continue
    await to.delete(ids)
    ids = []
  }
  if (ids.length > 0) await to.delete(ids)
}

async function copyOne(copy: BlobsCopy, { id, size }: BlobInfo): Promise<void> {
  // One that an earlier migration has lifted; it may be there from an attempt that was cut off.
  if (id < LIFTED_END) await copy.to.delete([id])
  const isSame =
    size <= HELD_BYTES ? await copyHeld(copy, id, size) : await copyLong(copy, id, size)
  if (isSame) return
  await copy.to.delete([id])
  throw new MaintenanceError(
    `blob ${id} came back from the destination changed: its disk or memory is not to be trusted. The source is as it was`,
  )
}

/** What is held in memory is compared byte by byte, which is cheaper than any digest. */
async function copyHeld(copy: BlobsCopy, id: string, size: number): Promise<boolean> {
  const { from, to, verifies, signal, progress } = copy
  const bytes = Buffer.allocUnsafeSlow(size)
  let at = 0
  for await (const chunk of await open(from, id, size, signal)) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  await to.put(id, bytes, { size, signal })
  progress.add(0, size)
  if (!verifies) return true
  let same = 0
  for await (const chunk of await open(to, id, size, signal)) {
    if (bytes.compare(chunk, 0, chunk.length, same, same + chunk.length) !== 0) return false
    same += chunk.length
  }
  return same === size
}

async function open(
  storage: ObjectStorage,
  id: string,
  size: number,
  signal: AbortSignal,
): Promise<Body | readonly Uint8Array[]> {
  return size === 0 ? [] : storage.get(id, { start: 0, end: size }, signal)
}

async function copyLong(copy: BlobsCopy, id: string, size: number): Promise<boolean> {
  const { from, to, verifies, signal, progress } = copy
  const range = { start: 0, end: size }
  const read = verifies ? new Sum() : undefined
  await to.put(id, passing(await from.get(id, range, signal), progress, read), { size, signal })
  if (read === undefined) return true
  const written = new Sum()
  for await (const chunk of await to.get(id, range, signal)) written.update(chunk)
  return read.value() === written.value()
}

async function* passing(body: Body, progress: Progress, sum: Sum | undefined): Body {
  for await (const chunk of body) {
    sum?.update(chunk)
    progress.add(0, chunk.length)
    yield chunk
  }
}

const WINDOW_BYTES: number = 1024 * 1024

/**
 * What long bytes are compared by: the CRC32 of each MiB. Disks, memory and wires are what it is to find out, and none
 * of them means harm; SHA-256 of all the bytes would take fifteen times the CPU.
 */
class Sum {
  readonly #windows = createHash('sha256')
  #window = createDigest('CRC32')
  #left = WINDOW_BYTES

  update(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const some = chunk.subarray(at, at + this.#left)
      this.#window.update(some)
      at += some.length
      this.#left -= some.length
      if (this.#left === 0) this.#next()
    }
  }

  value(): string {
    this.#next()
    return this.#windows.digest('hex')
  }

  #next(): void {
    this.#windows.update(this.#window.value())
    this.#window = createDigest('CRC32')
    this.#left = WINDOW_BYTES
  }
}

interface Entry extends BlobInfo {
  isDone: boolean
}

/** Up to where all blobs are there, although they end out of order. */
class Frontier {
  readonly #copy: BlobsCopy
  /** Begun, in order; the first is not done. */
  readonly #open: Entry[] = []
  #to = ''
  #blobs = 0
  #bytes = 0
  #toldMs = performance.now()
  #telling: Promise<void> = Promise.resolve()

  constructor(copy: BlobsCopy) {
    this.#copy = copy
  }

  /** The source's blobs, entered in their order. */
  async *pass(after: string): AsyncGenerator<Entry, void, undefined> {
    for await (const blob of this.#copy.from.list(after)) {
      const entry = { ...blob, isDone: false }
      this.#open.push(entry)
      yield entry
    }
  }

  async end(entry: Entry): Promise<void> {
    entry.isDone = true
    while (this.#open[0]?.isDone === true) {
      const { id, size } = this.#open.shift()!
      this.#to = id
      this.#blobs++
      this.#bytes += size
    }
    if (performance.now() - this.#toldMs > TELL_MS) await this.tell()
  }

  /** One telling after the other: a later one must not be overtaken. */
  async tell(): Promise<void> {
    this.#toldMs = performance.now()
    const [blobs, bytes] = [this.#blobs, this.#bytes]
    this.#blobs = 0
    this.#bytes = 0
    if (blobs > 0) {
      const to = this.#to
      this.#telling = this.#telling.then(() => this.#copy.tell(to, blobs, bytes))
    }
    await this.#telling
  }
}
