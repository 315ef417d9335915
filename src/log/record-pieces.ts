/** The records of a group on their way to a file: in pieces, of which one is written while the next is encoded. */
import type { Change } from './changes.ts'
import type { LogDisk } from './disk.ts'
import {
  CLOSED,
  CONTROL,
  type Ends,
  PURGE,
  RECORD_BYTES,
  RecordWriter,
  RESET,
  strideOf,
  TRUNCATE,
} from './segment-format.ts'
import type { Segment } from './segment-state.ts'

/** A piece ends at this many bytes. */
const PIECE_BYTES: number = 1024 * 1024
/** What a record behind that may have; a longer one is a piece of its own. */
const SHORT_BYTES: number = 64 * 1024

const CONTROL_PAYLOADS = {
  truncate: Uint8Array.of(TRUNCATE),
  purge: Uint8Array.of(PURGE),
  reset: Uint8Array.of(RESET),
  close: Uint8Array.of(CLOSED),
} as const

export class RecordPieces {
  readonly #disk: LogDisk
  readonly #writers: readonly [RecordWriter, RecordWriter]
  #turn: 0 | 1 = 0
  #segment: Segment | undefined
  #group = 0
  #end = 0
  /** The piece before. */
  #writing: Promise<void> | undefined

  constructor(disk: LogDisk) {
    this.#disk = disk
    const make = (): RecordWriter =>
      new RecordWriter(Buffer.allocUnsafeSlow(PIECE_BYTES + strideOf(RECORD_BYTES + SHORT_BYTES)))
    this.#writers = [make(), make()]
  }

  /** Writes the records of the group behind the last one of the segment; resolves to where they end. */
  async write(changes: readonly Change[], segment: Segment, group: number): Promise<number> {
    this.#segment = segment
    this.#group = group
    this.#end = segment.end
    this.#begin()
    try {
      await this.#encode(changes)
      await this.#flush()
    } finally {
      const writing = this.#writing
      this.#writing = undefined
      await writing
    }
    return this.#end
  }

  async #encode(changes: readonly Change[]): Promise<void> {
    const last = changes.findLast(({ op, entries }) => op !== 'append' || entries.length > 0)
    for (const change of changes) {
      const { op, entries } = change
      const end: Ends = change === last ? 'group' : 'change'
      if (op !== 'append') {
        const ends = entries.length === 0 ? end : 'none'
        await this.#put(CONTROL, change.index, change.term, CONTROL_PAYLOADS[op], ends)
      }
      for (let i = 0; i < entries.length; i++) {
        const { kind, index, term, payload } = entries[i]!
        const ends = i === entries.length - 1 ? end : 'none'
        const full = this.#put(kind, index, term, payload, ends)
        if (full !== undefined) await full
      }
    }
  }

  /** A promise where the piece is full, to be waited for. */
  #put(
    kind: number,
    index: number,
    term: number,
    payload: Uint8Array,
    ends: Ends,
  ): Promise<void> | undefined {
    if (payload.length > SHORT_BYTES) return this.#putLong(kind, index, term, payload, ends)
    const writer = this.#writers[this.#turn]
    writer.put(kind, index, term, payload, ends)
    return writer.at < PIECE_BYTES ? undefined : this.#flush()
  }

  async #putLong(
    kind: number,
    index: number,
    term: number,
    payload: Uint8Array,
    ends: Ends,
  ): Promise<void> {
    await this.#flush()
    const writer = new RecordWriter(Buffer.allocUnsafeSlow(strideOf(RECORD_BYTES + payload.length)))
    writer.begin(this.#segment!.salt, this.#group, this.#end)
    writer.put(kind, index, term, payload, ends)
    await this.#send(writer)
    this.#begin()
  }

  #begin(): void {
    this.#writers[this.#turn].begin(this.#segment!.salt, this.#group, this.#end)
  }

  async #flush(): Promise<void> {
    const writer = this.#writers[this.#turn]
    if (writer.at === 0) return
    await this.#send(writer)
    this.#turn = this.#turn === 0 ? 1 : 0
    this.#begin()
  }

  async #send({ bytes, at }: RecordWriter): Promise<void> {
    await this.#writing
    this.#writing = this.#disk.write(this.#segment!.fd, bytes.subarray(0, at), this.#end)
    this.#end += at
  }
}
