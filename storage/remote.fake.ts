/** What the fakes of services have in common: a server in this process, bodies taken in whole, answers. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface FakeAnswer {
  readonly status: number
  /** `zeros`: so many of them. */
  readonly body?: string | Buffer | { readonly zeros: number }
  readonly headers?: Readonly<Record<string, string>>
}

const ZEROS = Buffer.alloc(1024 ** 2)

export abstract class FakeService implements AsyncDisposable {
  /** What each request was, in order. */
  readonly calls: string[] = []
  /** Connections that were made to it. */
  connections = 0
  endpoint = ''
  /** Bodies are not kept, and what is read is zeros: for measuring. */
  isSink = false
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => response.destroy())
  })

  /** Its answer to a request whose body has come. */
  protected abstract answer(request: IncomingMessage, body: Buffer): FakeAnswer

  /** On a free port of 127.0.0.1. */
  async start(): Promise<this> {
    this.#server.on('connection', () => (this.connections += 1))
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.endpoint = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return
    }
    const { status, body = '', headers = {} } = this.answer(request, Buffer.concat(chunks))
    const length =
      typeof body === 'object' && 'zeros' in body ? body.zeros : Buffer.byteLength(body)
    response.writeHead(status, { 'content-length': length, ...headers })
    if (request.method === 'HEAD') response.end()
    else if (typeof body === 'object' && 'zeros' in body) await writeZeros(response, body.zeros)
    else response.end(body)
  }
}

async function writeZeros(response: ServerResponse, count: number): Promise<void> {
  for (let left = count; left > 0; left -= ZEROS.length) {
    if (response.destroyed) return
    if (!response.write(ZEROS.subarray(0, left))) await drained(response)
  }
  response.end()
}

/** Resolves once more can be written, or nobody listens any more. */
export function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

/** The bytes of a range header, as far as they are there; undefined: all. A start beyond the end is `start >= size`. */
export function rangeOf(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const range = /^bytes=(\d+)-(\d*)$/.exec(header ?? '')
  if (range === null) return undefined
  const last = range[2] ? Number(range[2]) : Infinity
  return { start: Number(range[1]), end: Math.min(size, last + 1) }
}
