/**
 * A load generator on raw sockets: requests are made and signed beforehand, so that the measured window
 * holds little but the server's work. Keep-alive, one request at a time on each connection.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import aws4 from 'aws4'
import { ACCESS_KEY, SECRET_KEY } from '../harness/gateway.ts'

export interface Asked {
  /** Request line and headers, with the empty line. */
  readonly head: string
  readonly body?: Uint8Array
}

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface Site {
  readonly host: string
  readonly port: number
  readonly credentials: Credentials
}

export function siteOf(
  endpoint: string,
  credentials: Credentials = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
): Site {
  const { hostname, port } = new URL(endpoint)
  return { host: hostname, port: Number(port || 80), credentials }
}

/** Makes and signs one request. `path` is percent-encoded and bears the query. */
export function ask(
  site: Site,
  method: string,
  path: string,
  options: { body?: Uint8Array; sha256?: string; headers?: Record<string, string> } = {},
): Asked {
  const { body, sha256 = 'UNSIGNED-PAYLOAD' } = options
  const headers: Record<string, string> = { 'X-Amz-Content-Sha256': sha256, ...options.headers }
  if (method === 'PUT' || method === 'POST') headers['Content-Length'] ??= String(body?.length ?? 0)
  const signed = aws4.sign(
    {
      host: `${site.host}:${site.port}`,
      method,
      path,
      service: 's3',
      region: 'us-east-1',
      headers,
    },
    site.credentials,
  )
  const lines = Object.entries(signed.headers ?? {}).map(
    ([name, value]) => `${name}: ${String(value)}\r\n`,
  )
  return { head: `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, ...(body && { body }) }
}

export interface Answer {
  readonly status: number
  readonly head: string
  readonly bodyBytes: number
}

/** One keep-alive connection. */
export class Wire {
  readonly #socket: Socket
  #head = ''
  #left = -1
  #bytes = 0
  #status = 0
  #isHead = false
  #done: ((answer: Answer) => void) | undefined
  #fail: ((error: Error) => void) | undefined
  #text: string[] | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
    socket.on('error', (error) => this.#fail?.(error))
    socket.on('close', () => this.#fail?.(new Error('the server closed the connection')))
  }

  static async open(site: Site): Promise<Wire> {
    const socket = connect(site.port, site.host)
    await once(socket, 'connect')
    return new Wire(socket)
  }

  /** Sends a request whose body, if any, is one buffer. */
  send({ head, body }: Asked): Promise<Answer> {
    const answer = this.#expect(head)
    if (!body || body.length === 0) this.#socket.write(head, 'latin1')
    else {
      this.#socket.cork()
      this.#socket.write(head, 'latin1')
      this.#socket.write(body)
      this.#socket.uncork()
    }
    return answer
  }

  /** Sends a request with a body of `size` bytes made of `block` over and over. */
  async stream(head: string, block: Uint8Array, size: number): Promise<Answer> {
    const answer = this.#expect(head)
    answer.catch(() => {})
    this.#socket.write(head, 'latin1')
    for (let left = size; left > 0; left -= block.length) {
      const piece = left < block.length ? block.subarray(0, left) : block
      if (!this.#socket.write(piece)) await once(this.#socket, 'drain')
    }
    return answer
  }

  /** As `send`, and keeps the body's text. */
  async read(asked: Asked): Promise<{ status: number; text: string; head: string }> {
    this.#text = []
    const { status, head } = await this.send(asked)
    const text = this.#text.join('')
    this.#text = undefined
    return { status, text, head }
  }

  close(): void {
    this.#fail = undefined
    this.#socket.destroy()
  }

  #expect(head: string): Promise<Answer> {
    this.#isHead = head.startsWith('HEAD ')
    return new Promise((resolve, reject) => {
      this.#done = resolve
      this.#fail = reject
    })
  }

  #data(chunk: Buffer): void {
    let body = chunk
    if (this.#left < 0) {
      const text = this.#head + chunk.toString('latin1', 0, Math.min(chunk.length, 16_384))
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) {
        this.#head = text
        return
      }
      const used = end + 4 - this.#head.length
      this.#head = text.slice(0, end + 2)
      this.#status = Number(text.slice(9, 12))
      const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head)
      if (!length && !this.#isHead && this.#status !== 204)
        return this.#fail?.(new Error(`no content-length in:\n${this.#head}`))
      this.#left = this.#isHead || !length ? 0 : Number(length[1])
      this.#bytes = 0
      body = chunk.subarray(used)
    }
    this.#left -= body.length
    this.#bytes += body.length
    if (this.#text && body.length > 0) this.#text.push(body.toString())
    if (this.#left > 0) return
    const done = this.#done
    const answer = { status: this.#status, head: this.#head, bodyBytes: this.#bytes }
    this.#left = -1
    this.#head = ''
    this.#done = undefined
    done?.(answer)
  }
}

export interface Load {
  /** Wall seconds of the whole window. */
  readonly seconds: number
  /** Milliseconds of each request, ascending. */
  readonly latencies: Float64Array
}

/** Sends all requests over `connections` connections; each must be answered with `status`. */
export async function load(
  site: Site,
  requests: readonly Asked[],
  connections: number,
  status: number,
): Promise<Load> {
  const wires = await Promise.all(Array.from({ length: connections }, () => Wire.open(site)))
  const latencies = new Float64Array(requests.length)
  let next = 0
  const started = performance.now()
  await Promise.all(
    wires.map(async (wire) => {
      for (let i = next++; i < requests.length; i = next++) {
        const at = performance.now()
        const answer = await wire.send(requests[i]!)
        latencies[i] = performance.now() - at
        if (answer.status !== status)
          throw new Error(
            `${requests[i]!.head.split('\r\n', 1)[0]} was answered ${answer.status}:\n${answer.head}`,
          )
      }
    }),
  )
  const seconds = (performance.now() - started) / 1000
  for (const wire of wires) wire.close()
  return { seconds, latencies: latencies.sort() }
}

export function percentile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}
