/** For tests: an HTTP client that writes what it is told, byte by byte if need be, and reads answers one by one. */
import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly status: number
  /** Names in lower case; the last value of each. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export class Wire implements Disposable {
  readonly #socket: Socket
  #chunks: Buffer[] = []
  #length = 0
  /** So many bytes it takes for the next look to be worth its while. */
  #need = 1
  #isClosed = false
  #wake: (() => void) | undefined

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
      this.#wake?.()
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.#isClosed = true
      this.#wake?.()
    })
  }

  send(...parts: readonly (string | Uint8Array)[]): this {
    for (const part of parts) this.#socket.write(part)
    return this
  }

  /** The client falls silent and reads no more. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Closes our half: no more bytes will come. */
  finish(): void {
    this.#socket.end()
  }

  /** Goes away without a word. */
  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  /** The next answer; rejects where the connection closes before it is whole. */
  async answer(method = 'GET'): Promise<Answer> {
    for (;;) {
      if (this.#length >= this.#need) {
        const bytes = this.#merge()
        const found = readAnswer(bytes, method)
        this.#need = typeof found === 'number' ? found : 1
        if (typeof found !== 'number') {
          this.#chunks = [bytes.subarray(found.end)]
          this.#length = bytes.length - found.end
          return found.answer
        }
      }
      if (this.#isClosed)
        throw new Error(`closed after ${JSON.stringify(this.pending.slice(0, 200))}`)
      await this.#more()
    }
  }

  #merge(): Buffer {
    const bytes = Buffer.concat(this.#chunks)
    this.#chunks = [bytes]
    return bytes
  }

  /** Resolves once the server has closed; to what came since the last answer. */
  async closed(): Promise<string> {
    while (!this.#isClosed) await this.#more()
    return this.pending
  }

  /** What came and was not read as an answer. */
  get pending(): string {
    return this.#merge().toString('latin1')
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

/** The first answer in the bytes, or how many there must be at least before it can be whole. */
function readAnswer(bytes: Buffer, method: string): { answer: Answer; end: number } | number {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return bytes.length + 1
  const [first = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n')
  const status = Number(first.split(' ')[1])
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const start = headEnd + 4
  if (method === 'HEAD' || status === 100 || status === 204 || status === 304) {
    return { answer: { status, headers, body: '' }, end: start }
  }
  if (headers['transfer-encoding'] === 'chunked') return readChunked(bytes, start, status, headers)
  const end = start + Number(headers['content-length'] ?? 0)
  if (bytes.length < end) return end
  return { answer: { status, headers, body: bytes.toString('utf8', start, end) }, end }
}

function readChunked(
  bytes: Buffer,
  start: number,
  status: number,
  headers: Record<string, string>,
): { answer: Answer; end: number } | number {
  let body = ''
  for (let at = start; ;) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return bytes.length + 1
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16)
    const end = line + 2 + size + 2
    if (bytes.length < end) return end
    if (size === 0) return { answer: { status, headers, body }, end }
    body += bytes.toString('utf8', line + 2, line + 2 + size)
    at = end
  }
}
