/**
 * A disk in memory that can fail, die and lose its power: what was written and not synced is then there
 * by sectors, some of them, in any order, as on a real one.
 */
import path from 'node:path'
import type { LogDisk } from './disk.ts'

const SECTOR_BYTES = 512

/** Calls that change the disk. */
export type Call = 'open' | 'write' | 'truncate' | 'datasync' | 'rename' | 'remove' | 'syncFolder'

type Pending =
  | { readonly at: number; readonly bytes: Uint8Array }
  /** Cut, or grown, to that size. */
  | { readonly sizeBytes: number }

class File {
  /** As reads see it. */
  bytes: Buffer = Buffer.alloc(0)
  /** As it is on stable storage. */
  durable: Buffer = Buffer.alloc(0)
  pending: Pending[] = []

  do(pending: Pending): void {
    this.pending.push(pending)
    this.bytes = after(this.bytes, pending)
  }

  sync(): void {
    this.durable = Buffer.from(this.bytes)
    this.pending = []
  }

  /** Of what was not synced, by `chance`: each sector of a write, each cut. */
  cutPower(chance: () => boolean): void {
    let left = this.durable
    for (const pending of this.pending) {
      if ('sizeBytes' in pending) {
        if (chance()) left = after(left, pending)
        continue
      }
      // Grown at once, and not by each sector.
      const pieces = [...sectors(pending.at, pending.bytes)].filter(chance)
      const end = pieces.at(-1)
      if (end) left = after(left, end)
      for (const { at, bytes } of pieces) left.set(bytes, at)
    }
    this.bytes = left
    this.sync()
  }
}

export class SimulatedDisk implements LogDisk {
  #names = new Map<string, File>()
  #durableNames = new Map<string, File>()
  #renames: (() => void)[] = []
  #open = new Map<number, File>()
  #fd = 100
  /** Calls so far. */
  steps = 0
  /** The last call that happens (a write by half); after it each one fails. */
  last: number = Infinity
  /** What a call fails with, if it does; it then does nothing, but a write may be short. */
  fail: (call: Call, file: string) => Error | undefined = () => undefined
  isLocked: boolean = false

  get isDead(): boolean {
    return this.steps >= this.last
  }

  lock(): { release: () => void } {
    if (this.isLocked) throw new Error('locked')
    this.isLocked = true
    return { release: () => (this.isLocked = false) }
  }

  list(folder: string): string[] {
    return Array.from(this.#names.keys(), (name) => path.relative(folder, name))
  }

  sizeOf(fd: number): number {
    return this.#open.get(fd)!.bytes.length
  }

  read(fd: number, into: Uint8Array, position: number): number {
    const { bytes } = this.#open.get(fd)!
    const found = bytes.subarray(position, position + into.length)
    into.set(found)
    return found.length
  }

  async open(name: string, flags: 'wx+' | 'r+'): Promise<number> {
    this.#step('open', name)
    if (flags === 'wx+' && this.#names.has(name)) throw new Error(`${name} is there`)
    if (flags === 'wx+') this.#names.set(name, new File())
    const file = this.#names.get(name)
    if (file === undefined) throw new Error(`${name} is not there`)
    this.#open.set(++this.#fd, file)
    return this.#fd
  }

  async write(fd: number, bytes: Uint8Array, at: number): Promise<void> {
    const file = this.#open.get(fd)!
    const error = this.fail('write', this.#nameOf(file))
    const isLast = this.steps + 1 === this.last
    if (!error) this.#step('write', '')
    const written = error || isLast ? bytes.subarray(0, bytes.length >> 1) : bytes
    file.do({ at, bytes: new Uint8Array(written) })
    if (error) throw error
    if (isLast) throw new Error('dead')
  }

  async truncate(fd: number, sizeBytes: number): Promise<void> {
    const file = this.#open.get(fd)!
    this.#step('truncate', this.#nameOf(file))
    file.do({ sizeBytes })
  }

  async datasync(fd: number): Promise<void> {
    const file = this.#open.get(fd)!
    this.#step('datasync', this.#nameOf(file))
    // Not at once: others go on meanwhile.
    await new Promise((resolve) => setImmediate(resolve))
    if (!this.isDead || this.steps === this.last) file.sync()
  }

  async close(fd: number): Promise<void> {
    this.#open.delete(fd)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step('rename', from)
    this.#change(() => {
      const file = this.#names.get(from)
      this.#names.delete(from)
      if (file) this.#names.set(to, file)
    })
  }

  async remove(name: string): Promise<void> {
    this.#step('remove', name)
    this.#change(() => this.#names.delete(name))
  }

  async syncFolder(folder: string): Promise<void> {
    this.#step('syncFolder', folder)
    this.#durableNames = new Map(this.#names)
    this.#renames = []
  }

  /** The process is gone, and what it had open. */
  kill(): void {
    this.#open.clear()
    this.isLocked = false
    this.last = Infinity
    this.steps = 0
  }

  /** The process is gone, and with it a part of what was not synced. */
  cutPower(random: () => number): void {
    const weight = random()
    const files = new Set([...this.#names.values(), ...this.#durableNames.values()])
    for (const file of files) file.cutPower(() => random() < weight)
    // Changes of names come about in their order.
    const renames = this.#renames.slice(0, Math.floor(random() * (this.#renames.length + 1)))
    this.#names = new Map(this.#durableNames)
    for (const rename of renames) rename()
    this.#durableNames = new Map(this.#names)
    this.#renames = []
    this.kill()
  }

  /** A file's bytes, to be damaged. */
  bytesOf(name: string): Buffer {
    return this.#names.get(name)!.bytes
  }

  #change(change: () => void): void {
    this.#renames.push(change)
    change()
  }

  #nameOf(file: File): string {
    return [...this.#names].find(([, found]) => found === file)?.[0] ?? ''
  }

  #step(call: Call, name: string): void {
    if (this.isDead) throw new Error('dead')
    const error = this.fail(call, name)
    if (error) throw error
    this.steps++
  }
}

function after(bytes: Buffer, pending: Pending): Buffer {
  const size = 'sizeBytes' in pending ? pending.sizeBytes : pending.at + pending.bytes.length
  const isCut = 'sizeBytes' in pending
  const grown =
    size <= bytes.length && !isCut
      ? bytes
      : Buffer.alloc(isCut ? size : Math.max(size, bytes.length))
  if (grown !== bytes) bytes.copy(grown)
  if (!isCut) grown.set(pending.bytes, pending.at)
  return grown
}

function* sectors(at: number, bytes: Uint8Array): Generator<{ at: number; bytes: Uint8Array }> {
  for (let done = 0; done < bytes.length;) {
    const end = Math.min(bytes.length, done + SECTOR_BYTES - ((at + done) % SECTOR_BYTES))
    yield { at: at + done, bytes: bytes.subarray(done, end) }
    done = end
  }
}

export function errorOf(code: string): Error {
  return Object.assign(new Error(code), { code })
}
