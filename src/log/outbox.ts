/** Replies on their way to a client: those of one turn of the loop leave in one write. */
import type { Socket } from 'node:net'
import { FRAME_HEAD_BYTES } from './wire.ts'

/** Replies stand one behind another in pages of so many bytes. */
const PAGE_BYTES: number = 16 * 1024
/** A longer body is sent as it is, and not copied into a page. */
const COPIED_BYTES_MAX = 2048

export class Outbox {
  readonly #socket: Socket
  /** So long may the client take nothing, in milliseconds: then the socket times out. */
  readonly #patienceMs: number
  #page: Buffer = Buffer.alloc(0)
  /** Where what was not sent yet begins and ends in the page. */
  #start = 0
  #end = 0
  /** What stands before it. */
  #ready: Buffer[] = []
  #readyBytes = 0
  #isScheduled = false

  constructor(socket: Socket, patienceMs: number) {
    this.#socket = socket
    this.#patienceMs = patienceMs
  }

  /** The body is left alone from now on. */
  reply(id: number, code: number, body: Buffer): void {
    const isCopied = body.length <= COPIED_BYTES_MAX
    const at = this.#reserve(FRAME_HEAD_BYTES + (isCopied ? body.length : 0))
    const page = this.#page
    page.writeUInt32LE(FRAME_HEAD_BYTES - 4 + body.length, at)
    page.writeUInt32LE(id, at + 4)
    page[at + 8] = code
    if (isCopied) body.copy(page, at + FRAME_HEAD_BYTES)
    else {
      this.#closePage()
      this.#add(body)
    }
    if (this.#isScheduled) return
    this.#isScheduled = true
    // Behind all promises that resolve at the same time.
    process.nextTick(() => this.flush())
  }

  /** Hands everything to the socket. */
  flush(): void {
    this.#isScheduled = false
    this.#closePage()
    const ready = this.#ready
    this.#ready = []
    this.#readyBytes = 0
    if (ready.length === 0 || !this.#socket.writable) return
    this.#socket.cork()
    for (const bytes of ready) this.#socket.write(bytes)
    this.#socket.uncork()
    if (this.#socket.writableNeedDrain) this.#socket.setTimeout(this.#patienceMs)
  }

  /** Bytes that wait here, and in the socket. */
  get waitingBytes(): number {
    return this.#end - this.#start + this.#readyBytes + this.#socket.writableLength
  }

  #reserve(length: number): number {
    if (this.#end + length > this.#page.length) {
      this.#closePage()
      this.#page = Buffer.allocUnsafeSlow(PAGE_BYTES)
      this.#start = 0
      this.#end = 0
    }
    const at = this.#end
    this.#end += length
    return at
  }

  #closePage(): void {
    if (this.#end > this.#start) this.#add(this.#page.subarray(this.#start, this.#end))
    this.#start = this.#end
  }

  #add(bytes: Buffer): void {
    this.#ready.push(bytes)
    this.#readyBytes += bytes.length
  }
}
