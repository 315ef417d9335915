/** One signed request to a gateway, and its whole answer: for `doctor`, which tries small things. */
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
}

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

/** Rejects where nobody answers in time; any status is an answer. The certificate is not verified: it is our own machine. */
export async function askSigned(
  { endpoint, region, credential }: Target,
  method: string,
  path: string,
  body: string = '',
): Promise<Answer> {
  const url = new URL(endpoint)
  const headers = signRequest(
    {
      method,
      path,
      query: '',
      headers: { host: url.host, 'content-length': String(Buffer.byteLength(body)) },
      payloadHash: hash('sha256', body, 'hex'),
    },
    { credential, region, now: Date.now() },
  )
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request(
      `${endpoint}${path}`,
      { method, headers, agent: false, timeout: TIMEOUT_MS, rejectUnauthorized: false },
      resolve,
    )
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    asked.on('error', reject)
    asked.end(body)
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of answer) chunks.push(chunk as Uint8Array)
  return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }
}
