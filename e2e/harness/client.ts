/** A small S3 client for tests that need the wire itself: signs with aws4, and hides nothing. */
import { createHash } from 'node:crypto'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { Agent as TlsAgent, request as requestTls } from 'node:https'
import aws4 from 'aws4'
import { ACCESS_KEY, type Gateway, SECRET_KEY } from './gateway-process.ts'

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
}

export interface Sent {
  readonly body?: Uint8Array | string
  readonly headers?: Readonly<Record<string, string>>
}

export class Client implements Disposable {
  readonly #endpoint: URL
  readonly #agent: Agent | TlsAgent

  constructor({ endpoint }: Pick<Gateway, 'endpoint'>) {
    this.#endpoint = new URL(endpoint)
    const secure = this.#endpoint.protocol === 'https:'
    this.#agent = secure
      ? new TlsAgent({ keepAlive: true, rejectUnauthorized: false })
      : new Agent({ keepAlive: true })
  }

  /** `path` is percent-encoded, begins with a slash and bears the query. Rejects where the connection breaks. */
  async send(method: string, path: string, { body, headers = {} }: Sent = {}): Promise<Reply> {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const { hostname, port } = this.#endpoint
    const signed = aws4.sign(
      {
        host: `${hostname}:${port}`,
        method,
        path,
        service: 's3',
        region: 'us-east-1',
        headers: {
          'X-Amz-Content-Sha256': createHash('sha256')
            .update(bytes ?? '')
            .digest('hex'),
          ...(bytes && { 'Content-Length': bytes.length }),
          ...(!bytes && (method === 'PUT' || method === 'POST') && { 'Content-Length': 0 }),
          ...headers,
        },
      },
      { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
    )
    const start = this.#endpoint.protocol === 'https:' ? requestTls : request
    return new Promise((resolve, reject) => {
      const asked = start(
        { hostname, port, method, path, headers: signed.headers, agent: this.#agent },
        (answer) => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk: Buffer) => chunks.push(chunk))
          answer.on('error', reject)
          answer.on('end', () => {
            const whole = Buffer.concat(chunks)
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              body: whole,
              text: whole.toString(),
            })
          })
        },
      )
      asked.on('error', reject)
      asked.end(bytes)
    })
  }

  /** As `send`, and the answer must be a success. */
  async ok(method: string, path: string, sent: Sent = {}): Promise<Reply> {
    const reply = await this.send(method, path, sent)
    if (
      reply.status >= 300 ||
      reply.text.startsWith('<?xml version="1.0" encoding="UTF-8"?>\n<Error>')
    )
      throw new Error(`${method} ${path} was answered ${reply.status}: ${reply.text}`)
    return reply
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

/** Text of the first element of that name. */
export function element(xml: string, name: string): string {
  return new RegExp(`<${name}>(.*?)</${name}>`, 's').exec(xml)?.[1] ?? ''
}
