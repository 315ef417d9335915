/**
 * Lines to a file descriptor, off the event loop: gathered, then written by one write at a time. A
 * slow or stuck reader costs memory up to a bound and then lines, never the gateway.
 */
import { write, writeSync } from 'node:fs'

/** Characters that may wait to be written; lines beyond are dropped and counted. */
const PENDING_MAX = 8 * 1024 * 1024
/** Characters that are worth a write at once. */
const BATCH = 64 * 1024
/** Longest that a line waits for company, in milliseconds. */
const LINGER_MS = 50
/** A pipe whose reader is behind says EAGAIN; asked again after this. */
const RETRY_MS = 20
/** How long the last words may take at the end of the process. */
const LAST_WORDS_MS = 1000
const LINE_FEED = 10

export interface LineWriter {
  /** Takes one line, without its line break. Never throws, never waits. */
  line(text: string): void
  /** Resolves once everything that was taken is written, or cannot be. */
  drain(): Promise<void>
  /** The same at once, for a process that is about to crash; a write under way may come out twice. */
  flush(): void
  /** Lines that were dropped so far. */
  readonly dropped: number
  /** The next line would be dropped. */
  readonly isFull: boolean
}

/** A writer to `fd`, which stays open. */
export function openLineWriter(fd: number): LineWriter {
  return new DescriptorWriter(fd)
}

class DescriptorWriter implements LineWriter {
  dropped = 0
  private readonly fd: number
  private lines: string[] = []
  private characters = 0
  /** What the write under way, or to be tried again, still has to write. */
  private rest: Buffer | undefined
  private timer: NodeJS.Timeout | undefined
  private closed = false
  private readonly waiting: (() => void)[] = []

  constructor(fd: number) {
    this.fd = fd
  }

  get isFull(): boolean {
    return this.closed || this.characters > PENDING_MAX
  }

  line(text: string): void {
    if (this.isFull) {
      this.dropped++
      return
    }
    this.lines.push(text)
    this.characters += text.length + 1
    if (this.rest !== undefined) return
    if (this.characters >= BATCH) this.start()
    else this.timer ??= setTimeout(() => this.start(), LINGER_MS).unref()
  }

  drain(): Promise<void> {
    this.start()
    if (this.rest === undefined) return Promise.resolve()
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  flush(): void {
    // A write under way in the thread pool may still write `rest`: rather a piece twice than not at all.
    const deadline = performance.now() + LAST_WORDS_MS
    let bytes: Buffer = Buffer.concat([this.rest ?? Buffer.alloc(0), this.take()])
    while (bytes.length > 0 && !this.closed && performance.now() < deadline) {
      try {
        bytes = bytes.subarray(writeSync(this.fd, bytes))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') this.closed = true
      }
    }
    this.rest = undefined
  }

  private take(): Buffer {
    clearTimeout(this.timer)
    this.timer = undefined
    const text = this.lines.length === 0 ? '' : `${this.lines.join('\n')}\n`
    this.lines = []
    this.characters = 0
    return Buffer.from(text)
  }

  private start(): void {
    if (this.rest !== undefined || this.lines.length === 0) return
    this.rest = this.take()
    this.proceed()
  }

  private proceed(): void {
    const bytes = this.rest
    if (bytes === undefined) return
    write(this.fd, bytes, 0, bytes.length, null, (error, written) => {
      if (this.rest !== bytes) return
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.proceed(), RETRY_MS)
        return
      }
      if (error) this.lose(error, bytes)
      this.rest = error || written === bytes.length ? undefined : bytes.subarray(written)
      if (this.rest !== undefined) this.proceed()
      else if (this.lines.length > 0 && !this.closed) this.start()
      else for (const resolve of this.waiting.splice(0)) resolve()
    })
  }

  /** The reader has gone (then for good), or the disk is full: the log suffers, the gateway does not. */
  private lose(error: NodeJS.ErrnoException, bytes: Buffer): void {
    this.closed = error.code === 'EPIPE' || error.code === 'EBADF'
    for (const byte of bytes) if (byte === LINE_FEED) this.dropped++
  }
}
