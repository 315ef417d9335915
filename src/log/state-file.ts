/**
 * The hard state: the file `state`, of four slots of 512 bytes. A save writes one pair of slots, the
 * same into both, and syncs once; the next save writes the other pair. So a save that is torn leaves
 * the state before it, and a sector that goes bad leaves the other copy.
 *
 *     0 u32 CRC-32 of the rest · 4 u32 length of what follows · 8 u64 number of the save · 16 u64 term · 24 vote
 */
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { isFull } from '../lib/disk.ts'
import { StoreFull } from '../lib/store-error.ts'
import { checkHardState } from './bounds.ts'
import type { LogDisk } from './disk.ts'
import { LogCorrupt, StoreClosed, StorePoisoned } from './errors.ts'
import type { HardState, MetaStore } from './store.ts'

const SLOT_BYTES = 512
const PAIR_BYTES: number = 2 * SLOT_BYTES
const FILE_BYTES: number = 2 * PAIR_BYTES
const VOTE_AT = 24
export const STATE_FILE = 'state'

interface Save {
  readonly number: number
  readonly state: HardState
}

export class StateFile implements MetaStore {
  readonly #disk: LogDisk
  readonly #fd: number
  #state: HardState | undefined
  #number: number
  /** The saves so far, one after another. */
  #saving: Promise<void> = Promise.resolve()
  #poison: StorePoisoned | undefined
  #isClosed = false

  private constructor(disk: LogDisk, fd: number, save: Save | undefined) {
    this.#disk = disk
    this.#fd = fd
    this.#number = save?.number ?? 0
    this.#state = save?.state
  }

  static async open(disk: LogDisk, folder: string): Promise<StateFile> {
    const file = path.join(folder, STATE_FILE)
    if (!disk.list(folder).includes(STATE_FILE)) await create(disk, folder)
    const fd = await disk.open(file, 'r+')
    try {
      const bytes = Buffer.alloc(FILE_BYTES)
      disk.read(fd, bytes, 0)
      const saves = [0, 1, 2, 3].map((slot) => decode(bytes, slot * SLOT_BYTES))
      const save = saves.reduce(later, undefined)
      if (save === undefined && bytes.some((byte) => byte !== 0))
        throw new LogCorrupt(file, 0, 'no state in it is whole')
      // A process that was killed may not have come to it.
      await disk.datasync(fd)
      return new StateFile(disk, fd, save)
    } catch (error) {
      await disk.close(fd).catch(() => {})
      throw error
    }
  }

  saveHardState(state: HardState): Promise<void> {
    const save = this.#saving.then(() => this.#save(state))
    this.#saving = save.catch(() => {})
    return save
  }

  async loadHardState(): Promise<HardState | undefined> {
    this.#checkOpen()
    return this.#state
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    await this.#saving
    this.#isClosed = true
    await this.#disk.close(this.#fd)
  }

  async #save({ term, vote }: HardState): Promise<void> {
    this.#checkOpen()
    if (this.#poison) throw this.#poison
    const state = vote === undefined ? { term } : { term, vote }
    checkHardState(state)
    const number = this.#number + 1
    try {
      await this.#disk.write(this.#fd, encode({ number, state }), (number % 2) * PAIR_BYTES)
      await this.#disk.datasync(this.#fd)
    } catch (error) {
      // The file has its room: what may be of this save is not known.
      this.#poison = new StorePoisoned('The disk failed to make the state durable', {
        cause: error,
      })
      throw this.#poison
    }
    this.#number = number
    this.#state = state
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreClosed('The store of the state is closed')
  }
}

async function create(disk: LogDisk, folder: string): Promise<void> {
  const made = path.join(folder, `${STATE_FILE}.new`)
  try {
    await disk.remove(made)
    const fd = await disk.open(made, 'wx+')
    try {
      await disk.write(fd, new Uint8Array(FILE_BYTES), 0)
      await disk.datasync(fd)
    } finally {
      await disk.close(fd)
    }
    await disk.rename(made, path.join(folder, STATE_FILE))
    await disk.syncFolder(folder)
  } catch (error) {
    throw isFull(error) ? new StoreFull('No room for the state', { cause: error }) : error
  }
}

/** Both slots of a pair. A vote begins with a byte that says that there is one. */
function encode({ number, state: { term, vote } }: Save): Uint8Array {
  const bytes = Buffer.alloc(PAIR_BYTES)
  const voteBytes = vote === undefined ? 0 : bytes.write(`\u{1}${vote}`, VOTE_AT)
  bytes.writeUInt32LE(8 + voteBytes, 4)
  bytes.writeBigUInt64LE(BigInt(number), 8)
  bytes.writeBigUInt64LE(BigInt(term), 16)
  bytes.writeUInt32LE(crc32(bytes.subarray(4, SLOT_BYTES)), 0)
  bytes.copy(bytes, SLOT_BYTES, 0, SLOT_BYTES)
  return bytes
}

function decode(bytes: Buffer, at: number): Save | undefined {
  const slot = bytes.subarray(at, at + SLOT_BYTES)
  const length = slot.readUInt32LE(4)
  if (length === 0 || crc32(slot.subarray(4)) !== slot.readUInt32LE(0)) return undefined
  const number = Number(slot.readBigUInt64LE(8))
  const term = Number(slot.readBigUInt64LE(16))
  if (length === 8) return { number, state: { term } }
  const vote = slot.toString('utf8', VOTE_AT + 1, VOTE_AT + length - 8)
  return { number, state: { term, vote } }
}

function later(one: Save | undefined, other: Save | undefined): Save | undefined {
  return other === undefined || (one !== undefined && one.number >= other.number) ? one : other
}
