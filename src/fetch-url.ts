/**
 * Getting a small document by a URL that a user has named, where the gateway may reach it (outbound.ts):
 * bounded in size and time, and each redirection is judged as the first address was.
 */
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Outbound } from './outbound.ts'

const TIMEOUT_MS = 30_000
const REDIRECTIONS_MAX = 5

/** The bytes. Rejects with an Error whose message is for whoever named the URL. */
export async function fetchUrl(
  outbound: Outbound,
  text: string,
  sizeMax: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const either = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  let url = text
  for (let redirections = 0; redirections <= REDIRECTIONS_MAX; redirections++) {
    const refusal = outbound.refusal(url)
    if (refusal !== undefined) throw new Error(refusal)
    const answer = await ask(outbound, new URL(url), either)
    const { statusCode = 0, headers } = answer
    if (statusCode === 200) return read(answer, sizeMax)
    answer.destroy()
    const next = headers.location
    if (statusCode < 300 || statusCode >= 400 || next === undefined)
      throw new Error(`the server answered ${statusCode}`)
    url = URL.parse(next, url)?.href ?? ''
  }
  throw new Error('it is redirected too often')
}

function ask(outbound: Outbound, url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const request = send(
      url,
      {
        headers: { 'user-agent': 'Sluice', accept: 'application/x-bittorrent, */*' },
        agent: false,
        signal,
        lookup: outbound.lookup(url),
      },
      resolve,
    )
    request.on('error', reject)
    request.end()
  })
}

async function read(answer: IncomingMessage, sizeMax: number): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > sizeMax) {
      answer.destroy()
      throw new Error(`it has more than ${sizeMax} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
