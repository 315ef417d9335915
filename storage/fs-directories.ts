/**
 * The directories of blobs: made when the first blob comes, fsynced for many puts at once, removed
 * when they are empty. All three run side by side without a put ever losing its directory.
 */
import { dirname } from 'node:path'
import type { Counter } from '../src/lib/meter.ts'
import {
  close,
  errno,
  makeDirectory,
  openDirectory,
  removeDirectory,
  rename,
  sync,
  unlink,
} from './fs-calls.ts'

/** Directories that we remember to have made; beyond, we start anew (making one twice does no harm). */
const REMEMBERED_MAX = 1000
/** How often a directory may be removed under a put before that is an error. */
const ATTEMPTS_MAX = 10

/** The fsyncs of one directory: one under way, and one to come for all who asked in the meantime. */
interface Turn {
  running: Promise<void>
  next: Promise<void> | undefined
}

export class Directories {
  readonly #root: string
  readonly #fsyncs: Counter
  /** Directory -> it is there, and durably so in the one above. */
  readonly #made = new Map<string, Promise<void>>()
  readonly #turns = new Map<string, Turn>()
  #newest = ''

  /** `root` exists; the directories are one or more levels below it. */
  constructor(root: string, fsyncs: Counter) {
    this.#root = root
    this.#fsyncs = fsyncs
  }

  /**
   * Moves the finished file to `name` in the directory. Once this resolves, the name and all
   * directories above it survive a crash; if it rejects, there is no such name.
   */
  async moveInto(directory: string, from: string, name: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#make(directory)
      try {
        await rename(from, `${directory}/${name}`)
        break
      } catch (error) {
        // Empty a moment ago, it may have been removed between the two steps.
        if (errno(error) !== 'ENOENT' || attempt === ATTEMPTS_MAX) throw error
        this.#forget(directory)
      }
    }
    try {
      // Removed and made again meanwhile, by another put? Then its entry above may not be durable yet.
      await this.#make(directory)
      await this.sync(directory)
    } catch (error) {
      // Should this fail too, the blob is one that no row names, and is swept.
      await unlink(`${directory}/${name}`).catch(() => {})
      throw error
    }
  }

  /** Fsyncs the directory. Calls during an fsync share the next one: the running one may not see them. */
  sync(directory: string): Promise<void> {
    const turn = this.#turns.get(directory)
    if (turn === undefined) {
      const started: Turn = { running: this.#fsync(directory), next: undefined }
      this.#turns.set(directory, started)
      this.#pass(directory, started)
      return started.running
    }
    turn.next ??= turn.running.then(
      () => this.#fsync(directory),
      () => this.#fsync(directory),
    )
    return turn.next
  }

  /** Removes directories that have become empty, but for the newest; the others stay as they are. */
  async prune(directories: Iterable<string>): Promise<void> {
    for (const directory of directories) {
      if (directory === this.#newest) continue
      try {
        this.#forget(directory)
        await removeDirectory(directory)
        const above = dirname(directory)
        this.#forget(above)
        if (above !== this.#root) await removeDirectory(above)
      } catch {
        // Not empty, mostly. Nothing depends on it: an empty directory is clutter, not a fault.
      }
    }
  }

  async #fsync(directory: string): Promise<void> {
    const file = await openDirectory(directory)
    try {
      this.#fsyncs.add()
      await sync(file)
    } finally {
      await close(file)
    }
  }

  /** After the running fsync the waiting one takes its place, or nobody. */
  #pass(directory: string, turn: Turn): void {
    const onDone = (): void => {
      if (turn.next === undefined) {
        this.#turns.delete(directory)
        return
      }
      turn.running = turn.next
      turn.next = undefined
      this.#pass(directory, turn)
    }
    turn.running.then(onDone, onDone)
  }

  #make(directory: string): Promise<void> {
    const known = this.#made.get(directory)
    if (known !== undefined) return known
    if (this.#made.size >= REMEMBERED_MAX) this.#made.clear()
    const made = this.#makeDurably(directory)
    this.#made.set(directory, made)
    this.#newest = directory > this.#newest ? directory : this.#newest
    // A failure is not remembered: the next put tries again.
    made.catch(() => this.#made.delete(directory))
    return made
  }

  async #makeDurably(directory: string): Promise<void> {
    const above = dirname(directory)
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (above !== this.#root) await this.#make(above)
        await makeWhereAbsent(directory)
        // Even if it was there: a process before us may have died before this step.
        await this.sync(above)
        return
      } catch (error) {
        if (errno(error) !== 'ENOENT' || attempt === ATTEMPTS_MAX) throw error
        this.#forget(above)
      }
    }
  }

  #forget(directory: string): void {
    this.#made.delete(directory)
  }
}

async function makeWhereAbsent(directory: string): Promise<void> {
  try {
    await makeDirectory(directory)
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
  }
}
