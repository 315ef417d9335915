/** Disks for tests of the engine `jsonl`: ones that fail, wait, are full, or lose their power. */
import {
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { DISK, type Disk } from '../src/lib/disk.ts'

/** The calls that change the disk. */
export const CALLS = [
  'open',
  'write',
  'truncate',
  'datasync',
  'rename',
  'remove',
  'syncFolder',
] as const
export type Call = (typeof CALLS)[number]

/** The real disk, with `before` in front of each call; what it throws is what the call fails with. */
export function guarded(before: (call: Call, target: unknown) => Promise<void> | void): Disk {
  const disk: Record<string, unknown> = { close: (fd: number) => DISK.close(fd) }
  for (const call of CALLS) {
    const run = DISK[call] as (...args: unknown[]) => Promise<unknown>
    disk[call] = async (...args: unknown[]): Promise<unknown> => {
      await before(call, args[0])
      return run(...args)
    }
  }
  return disk as unknown as Disk
}

/**
 * The real disk up to its `last` call: that one happens (a write by half), and nothing after it: each
 * call then fails. `cutPower` takes back what was not on stable storage by then.
 */
export class CrashingDisk implements Disk {
  steps = 0
  readonly #last: number
  readonly #files = new Map<number, string>()
  /** How much of a file, by its path, is on stable storage. */
  readonly #durable = new Map<string, number>()
  /** Changes of names that are not on stable storage, to be undone from the last to the first. */
  #undo: (() => void)[] = []

  constructor(last: number) {
    this.#last = last
  }

  get isDead(): boolean {
    return this.steps >= this.#last
  }

  async open(file: string, flags: 'wx+' | 'r+'): Promise<number> {
    this.#step()
    const fd = await DISK.open(file, flags)
    this.#files.set(fd, file)
    if (flags === 'r+') this.#durable.set(file, statSync(file).size)
    else this.#durable.set(file, 0)
    return fd
  }

  async write(fd: number, bytes: Uint8Array, position: number): Promise<void> {
    const isHalf = this.steps + 1 === this.#last
    this.#step()
    await DISK.write(fd, isHalf ? bytes.subarray(0, bytes.length >> 1) : bytes, position)
    if (isHalf) throw new Error('dead')
  }

  async truncate(fd: number, sizeBytes: number): Promise<void> {
    this.#step()
    await DISK.truncate(fd, sizeBytes)
  }

  async datasync(fd: number): Promise<void> {
    this.#step()
    const file = this.#files.get(fd)!
    this.#durable.set(file, statSync(file).size)
  }

  async close(fd: number): Promise<void> {
    await DISK.close(fd)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step()
    await DISK.rename(from, to)
    const durable = this.#durable.get(from)
    this.#durable.delete(from)
    if (durable !== undefined) this.#durable.set(to, durable)
    for (const [fd, file] of this.#files) if (file === from) this.#files.set(fd, to)
    this.#undo.push(() => {
      if (existsSync(to)) renameSync(to, from)
    })
  }

  async remove(file: string): Promise<void> {
    this.#step()
    if (!existsSync(file)) return
    const bytes = readFileSync(file)
    await DISK.remove(file)
    this.#durable.delete(file)
    this.#undo.push(() => writeFileSync(file, bytes))
  }

  async syncFolder(_folder: string): Promise<void> {
    this.#step()
    this.#undo = []
  }

  cutPower(): void {
    for (const [file, sizeBytes] of this.#durable)
      if (existsSync(file) && statSync(file).size > sizeBytes) truncateSync(file, sizeBytes)
    for (const undo of this.#undo.reverse()) undo()
  }

  #step(): void {
    if (this.isDead) throw new Error('dead')
    this.steps++
  }
}
