/** Signed requests to a gateway: whole answers for small things, open ones for streams. */
import { hash } from 'node:crypto'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { type Signer, signRequest } from '../auth/sign.ts'

const TIMEOUT_MS = 5000

export interface Target {
  /** `http://127.0.0.1:9000` */
  readonly endpoint: string
  readonly region: string
  readonly credential: Signer['credential']
  /** It is on this machine: its certificate is not verified. */
  readonly isNear?: boolean
}

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

export interface Asked {
  readonly method: string
  /** Percent-encoded, perhaps with a query. */
  readonly path: string
  readonly body?: string | Uint8Array
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  /** Silence after which the gateway is given up, in milliseconds. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** Rejects where nobody answers in time; any status is an answer. */
export async function askSigned(
  target: Target,
  method: string,
  path: string,
  body: string = '',
): Promise<Answer> {
  return wholeOf(await openSigned(target, { method, path, body }))
}

/** Resolves once the head of the answer is there; its body is the caller's to read. */
export function openSigned(
  { endpoint, region, credential, isNear = true }: Target,
  { method, path, body = '', headers: more = {}, timeoutMs = TIMEOUT_MS, signal }: Asked,
): Promise<IncomingMessage> {
  const url = new URL(endpoint)
  const question = path.indexOf('?')
  const headers = signRequest(
    {
      method,
      path: question < 0 ? path : path.slice(0, question),
      query: question < 0 ? '' : path.slice(question + 1),
      headers: { ...more, host: url.host, 'content-length': String(Buffer.byteLength(body)) },
      payloadHash: hash('sha256', body, 'hex'),
    },
    { credential, region, now: Date.now() },
  )
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const asked = request(
      `${endpoint}${path}`,
      {
        method,
        headers,
        agent: false,
        timeout: timeoutMs,
        rejectUnauthorized: !isNear,
        ...(signal && { signal }),
      },
      resolve,
    )
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    asked.on('error', reject)
    asked.end(body)
  })
}

export async function wholeOf(answer: IncomingMessage): Promise<Answer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of answer) chunks.push(chunk as Uint8Array)
  return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }
}
