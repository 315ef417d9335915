/**
 * The way out to webhooks: a POST of JSON to a URL that a user of ours has chosen, where the gateway may
 * reach it (outbound.ts). Redirections are not followed, and nothing of the answer but its status is used.
 */
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Outbound } from './outbound.ts'
import type { Webhooks } from './s3/outbox.ts'

export interface WebhookOptions {
  /** Names, addresses and networks (CIDR) that may be told although they are private. */
  readonly allow: readonly string[]
  /** Of one delivery, in milliseconds. */
  readonly timeoutMs: number
}

export class HttpWebhooks implements Webhooks {
  readonly #outbound: Outbound
  readonly #timeoutMs: number

  /** Throws RangeError for what is neither a name, nor an address, nor a network. */
  constructor({ allow, timeoutMs }: WebhookOptions) {
    this.#timeoutMs = timeoutMs
    this.#outbound = new Outbound(allow, 'webhooks.allow')
  }

  refusal(text: string): string | undefined {
    const isUrl = /^https?:\/\//i.test(text)
    if (!isUrl) return 'a destination here is the http:// or https:// URL of a webhook'
    return this.#outbound.refusal(text)
  }

  post(text: string, body: string, signal: AbortSignal): Promise<void> {
    const refusal = this.refusal(text)
    if (refusal !== undefined) return Promise.reject(new Error(refusal))
    const url = new URL(text)
    const send = url.protocol === 'https:' ? requestHttps : requestHttp
    const either = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)])
    return new Promise((resolve, reject) => {
      const request = send(
        url,
        {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            'user-agent': 'Sluice',
          },
          // No connection is kept: each delivery looks at the address anew.
          agent: false,
          signal: either,
          lookup: this.#outbound.lookup(url),
        },
        (response) => {
          response.resume()
          const { statusCode = 0 } = response
          if (statusCode >= 200 && statusCode < 300) resolve()
          else reject(new Error(`the webhook ${url.host} answered ${statusCode}`))
          // Whatever else it has to say is not waited for.
          request.destroy()
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  }
}
