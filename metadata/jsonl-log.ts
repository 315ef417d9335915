/** The log that is written: whole lines at its end, durable when `append` resolves; and its turn to the next file. */
import path from 'node:path'
import { StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { isFull, type Disk } from '../src/lib/disk.ts'
import { fileName, NameUnknown, NewFile } from './jsonl-files.ts'

/** Where a log is taken up. */
export interface LogPlace {
  readonly folder: string
  readonly number: number
  readonly sizeBytes: number
  /** Of the logs before it. */
  readonly olderBytes: number
}

export class JsonlLog {
  readonly #disk: Disk
  readonly #folder: string
  #fd: number
  #number: number
  #sizeBytes: number
  #olderBytes: number
  /** Why nothing is written any more. */
  #broken: StoreUnavailable | undefined

  private constructor(disk: Disk, place: LogPlace, fd: number) {
    this.#disk = disk
    this.#folder = place.folder
    this.#fd = fd
    this.#number = place.number
    this.#sizeBytes = place.sizeBytes
    this.#olderBytes = place.olderBytes
  }

  static async open(disk: Disk, place: LogPlace): Promise<JsonlLog> {
    const file = path.join(place.folder, fileName('log', place.number))
    return new JsonlLog(disk, place, await disk.open(file, 'r+'))
  }

  /** The first log of a folder. */
  static async create(disk: Disk, folder: string): Promise<JsonlLog> {
    const file = await NewFile.create(disk, folder, 'log', 1)
    const { sizeBytes } = file
    return new JsonlLog(disk, { folder, number: 1, sizeBytes, olderBytes: 0 }, await file.publish())
  }

  get number(): number {
    return this.#number
  }

  /** Of this file: all of it is on stable storage, unless an `append` is under way. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Of this file and all before it that no snapshot has replaced yet. */
  get totalBytes(): number {
    return this.#olderBytes + this.#sizeBytes
  }

  checkSound(): void {
    if (this.#broken) throw this.#broken
  }

  /**
   * `StoreFull`: nothing of it remains. `StoreUnavailable`: what remains is not known, and nothing more
   * is written: once a sync has failed, not even one that succeeds later says what the disk has.
   */
  async append(lines: Uint8Array): Promise<void> {
    this.checkSound()
    try {
      await this.#disk.write(this.#fd, lines, this.#sizeBytes)
    } catch (error) {
      await this.#cutBack(error)
      throw new StoreFull('No room for metadata', { cause: error })
    }
    await this.#orBreak(this.#disk.datasync(this.#fd))
    this.#sizeBytes += lines.length
  }

  /**
   * Begins the next file; what is appended from now on goes there. Where that does not work this file
   * goes on, and the promise rejects.
   */
  async turn(): Promise<void> {
    this.checkSound()
    const file = await NewFile.create(this.#disk, this.#folder, 'log', this.#number + 1)
    const { sizeBytes } = file
    let fd: number
    try {
      fd = await file.publish()
    } catch (error) {
      // With two logs of which perhaps the later one is lost, neither may be written.
      if (error instanceof NameUnknown) throw this.#break(error)
      throw error
    }
    const old = this.#fd
    this.#fd = fd
    this.#number++
    this.#olderBytes += this.#sizeBytes
    this.#sizeBytes = sizeBytes
    await this.#disk.close(old).catch(() => {})
  }

  /** A snapshot stands in for all files before this one. */
  forgetOlder(): void {
    this.#olderBytes = 0
  }

  async close(): Promise<void> {
    await this.#disk.close(this.#fd)
  }

  /** What was written of lines that did not fit goes, for good, before anyone is told so. */
  async #cutBack(error: unknown): Promise<void> {
    if (!isFull(error)) throw this.#break(error)
    await this.#orBreak(this.#disk.truncate(this.#fd, this.#sizeBytes))
    await this.#orBreak(this.#disk.datasync(this.#fd))
  }

  async #orBreak(done: Promise<void>): Promise<void> {
    try {
      await done
    } catch (error) {
      throw this.#break(error)
    }
  }

  #break(cause: unknown): StoreUnavailable {
    this.#broken = new StoreUnavailable('The disk failed to make metadata durable', { cause })
    return this.#broken
  }
}
