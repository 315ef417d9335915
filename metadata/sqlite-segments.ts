/**
 * The files of the commit log, in a folder of their own: `0000000001.log` and so on, of which the
 * highest number is written. What is appended is durable once the promise resolves.
 *
 * Room is made ahead of what is written (zeros): a sync that need not tell the file system of a new
 * size costs half. So there also is room left when the disk is full, for what makes room again.
 *
 * A segment that is closed ends with its last frame, and is on stable storage. A file gets its name
 * once its header is.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  write,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { syncDirectory } from '../src/lib/durable-directory.ts'
import { StoreDamaged, StoreFull } from '../src/lib/store-error.ts'
import { isFull } from '../src/lib/disk.ts'
import type { Datasync } from './sqlite-file.ts'
import { SEGMENT_HEADER_BYTES, segmentHeader } from './sqlite-records.ts'

/** All of the bytes, at that position. */
export type WriteAt = (fd: number, bytes: Uint8Array, position: number) => Promise<void>

const FILE_MODE = 0o600
const NAME = /^(\d{10})\.log$/
const PARTIAL = '.new'
/** Files that are kept open for reading. */
const OPEN_MAX = 64

export interface SegmentOptions {
  readonly folder: string
  readonly store: number
  /** A segment that has as much is closed. */
  readonly segmentBytes: number
  /** Room that is made ahead at a time; half of it is kept for when the disk is full. */
  readonly roomBytes: number
  readonly datasync: Datasync
  readonly write?: WriteAt
}

export class Segments {
  readonly #options: SegmentOptions
  readonly #write: WriteAt
  readonly #room: Buffer
  readonly #numbers = new Set<number>()
  readonly #fds = new Map<number, number>()
  #number = 0
  #fd = -1
  #end = 0
  /** The file has room up to here. */
  #roomEnd = 0
  #isShort = false
  #written = 0

  /** The folder is there. */
  constructor(options: SegmentOptions) {
    this.#options = options
    this.#write = options.write ?? writeAll
    this.#room = Buffer.alloc(options.roomBytes)
    for (const name of readdirSync(options.folder)) {
      const number = NAME.exec(name)?.[1]
      if (number !== undefined) this.#numbers.add(Number(number))
      else if (name.endsWith(PARTIAL)) rmSync(path.join(options.folder, name))
    }
  }

  /** The segment that is written. */
  get number(): number {
    return this.#number
  }

  /** Where the next frame goes. */
  get end(): number {
    return this.#end
  }

  /** Bytes of frames that were written by this process. */
  get written(): number {
    return this.#written
  }

  /** Whether the disk had no room to make ahead. */
  get isShort(): boolean {
    return this.#isShort
  }

  get numbers(): ReadonlySet<number> {
    return this.#numbers
  }

  fileOf(number: number): string {
    return path.join(this.#options.folder, `${String(number).padStart(10, '0')}.log`)
  }

  sizeOf(number: number): number {
    return number === this.#number ? this.#end : statSync(this.fileOf(number)).size
  }

  /** Goes on behind the last frame of the newest segment: what is behind it is cut off. */
  resume(number: number, end: number): void {
    const fd = openSync(this.fileOf(number), 'r+')
    this.#take(number, fd, end)
    if (fstatSync(fd).size > end) ftruncateSync(fd, end)
    fsyncSync(fd)
  }

  /** Begins the next segment where the one that is written has enough; goes on with that where there is no room. */
  rollIfFull(): void {
    if (this.#end < this.#options.segmentBytes) return
    try {
      this.begin(this.#number + 1)
    } catch (error) {
      if (!(error instanceof StoreFull)) throw error
      this.#isShort = true
    }
  }

  /** Begins the segment; `StoreFull` where there is no room, and all is as before. */
  begin(number: number): void {
    const file = this.fileOf(number)
    const fd = openSync(file + PARTIAL, 'w+', FILE_MODE)
    try {
      writeSync(fd, Buffer.concat([segmentHeader(number, this.#options.store), this.#room]))
      fsyncSync(fd)
    } catch (error) {
      closeSync(fd)
      rmSync(file + PARTIAL)
      throw isFull(error) ? noRoom(error) : error
    }
    if (this.#fd >= 0) {
      ftruncateSync(this.#fd, this.#end)
      fsyncSync(this.#fd)
    }
    renameSync(file + PARTIAL, file)
    syncDirectory(this.#options.folder)
    this.#take(number, fd, SEGMENT_HEADER_BYTES)
    this.#roomEnd = SEGMENT_HEADER_BYTES + this.#room.length
    this.#isShort = false
  }

  /**
   * Writes the frame behind all others and makes it durable. Rejects with `StoreFull` where there is no
   * room, and all is as before; with any other error nobody knows what the disk has.
   */
  async append(frame: Uint8Array): Promise<void> {
    const fd = this.#fd
    const end = this.#end + frame.length
    try {
      await this.#write(fd, frame, this.#end)
    } catch (error) {
      if (!isFull(error)) throw error
      this.#isShort = true
      ftruncateSync(fd, Math.max(this.#end, this.#roomEnd))
      throw noRoom(error)
    }
    if (this.#roomEnd < end + this.#room.length / 2)
      await this.#makeRoom(Math.max(end, this.#roomEnd))
    await this.#options.datasync(fd)
    this.#end = end
    this.#written += frame.length
  }

  /** The bytes at a place of which a row tells. */
  read(number: number, at: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length)
    if (readSync(this.#open(number), bytes, 0, length, at) === length) return bytes
    throw new StoreDamaged(`${this.fileOf(number)} ends within a row's bytes, at offset ${at}`)
  }

  /** Nothing in it is needed any more. */
  remove(number: number): void {
    const fd = this.#fds.get(number)
    if (fd !== undefined) closeSync(fd)
    this.#fds.delete(number)
    rmSync(this.fileOf(number), { force: true })
    this.#numbers.delete(number)
  }

  /** The room that was made ahead goes: to open what was closed changes nothing. */
  close(): void {
    for (const fd of this.#fds.values()) closeSync(fd)
    if (this.#fd >= 0) {
      if (this.#roomEnd > this.#end) ftruncateSync(this.#fd, this.#end)
      closeSync(this.#fd)
    }
    this.#fds.clear()
  }

  #take(number: number, fd: number, end: number): void {
    if (this.#fd >= 0) this.#keepOpen(this.#number, this.#fd)
    this.#numbers.add(number)
    this.#number = number
    this.#fd = fd
    this.#end = end
    this.#roomEnd = end
  }

  /** Makes room ahead where there was none; `isShort` tells whether there is some now. */
  widen(): Promise<void> {
    return this.#makeRoom(Math.max(this.#end, this.#roomEnd))
  }

  async #makeRoom(from: number): Promise<void> {
    const fd = this.#fd
    try {
      await this.#write(fd, this.#room, from)
      this.#roomEnd = from + this.#room.length
      this.#isShort = false
    } catch (error) {
      if (!isFull(error)) throw error
      ftruncateSync(fd, from)
      this.#roomEnd = from
      this.#isShort = true
    }
  }

  #open(number: number): number {
    if (number === this.#number) return this.#fd
    return this.#fds.get(number) ?? this.#keepOpen(number, openSync(this.fileOf(number), 'r'))
  }

  #keepOpen(number: number, fd: number): number {
    for (const [oldest, old] of this.#fds) {
      if (this.#fds.size < OPEN_MAX) break
      this.#fds.delete(oldest)
      closeSync(old)
    }
    this.#fds.set(number, fd)
    return fd
  }
}

function noRoom(cause: unknown): StoreFull {
  return new StoreFull('No room for metadata', { cause })
}

function writeAll(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (done: number): void => {
      write(fd, bytes, done, bytes.length - done, position + done, (error, count) => {
        if (error) reject(error)
        else if (done + count === bytes.length) resolve()
        else next(done + count)
      })
    }
    next(0)
  })
}
