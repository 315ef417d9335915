/**
 * The way out to webhooks: a POST of JSON to a URL that a user of ours has chosen.
 *
 * So that nobody reaches through the gateway what only the gateway can reach, addresses of private
 * networks are refused unless the configuration lists them. Names are looked up for each delivery and the
 * connection goes to the address that was looked at, so a name cannot change its mind in between;
 * redirections are not followed, and nothing of the answer but its status is used.
 */
import { lookup as lookUpName, type LookupAddress } from 'node:dns'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import type { Webhooks } from './s3/outbox.ts'

export interface WebhookOptions {
  /** Names, addresses and networks (CIDR) that may be told although they are private. */
  readonly allow: readonly string[]
  /** Of one delivery, in milliseconds. */
  readonly timeoutMs: number
}

/** What is on nobody's public network (IANA's special-purpose registries). */
const PRIVATE_V4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const
/** Addresses that carry one of IPv4 within (mapped, NAT64, 6to4, Teredo) are not told at all. */
const PRIVATE_V6 = [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 32],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const

const URL_MAX = 2048
const CIDR = /^(.+)\/(\d{1,3})$/

export class HttpWebhooks implements Webhooks {
  /** A list for each family: a list of both takes IPv4 for what is mapped into IPv6. */
  readonly #private = { ipv4: new BlockList(), ipv6: new BlockList() }
  readonly #allowed = new BlockList()
  readonly #names = new Set<string>()
  readonly #timeoutMs: number

  /** Throws RangeError for what is neither a name, nor an address, nor a network. */
  constructor({ allow, timeoutMs }: WebhookOptions) {
    this.#timeoutMs = timeoutMs
    for (const [net, bits] of PRIVATE_V4) this.#private.ipv4.addSubnet(net, bits, 'ipv4')
    for (const [net, bits] of PRIVATE_V6) this.#private.ipv6.addSubnet(net, bits, 'ipv6')
    for (const each of allow) this.#allow(each.toLowerCase())
  }

  #allow(text: string): void {
    const [, net = text, bits] = CIDR.exec(text) ?? []
    const version = isIP(net)
    if (version === 0) {
      if (bits !== undefined) throw new RangeError(`${text} is no network`)
      this.#names.add(text)
      return
    }
    const most = version === 4 ? 32 : 128
    const length = bits === undefined ? most : Number(bits)
    if (length > most) throw new RangeError(`${text} is no network`)
    this.#allowed.addSubnet(net, length, version === 4 ? 'ipv4' : 'ipv6')
  }

  refusal(text: string): string | undefined {
    if (text.length > URL_MAX) return 'the URL is too long'
    const url = URL.parse(text)
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
      return 'a destination here is the http:// or https:// URL of a webhook'
    }
    if (url.username !== '' || url.password !== '') return 'the URL must not bear credentials'
    const host = hostOf(url)
    if (isIP(host) !== 0 && !this.#mayReach(host, host)) {
      return `${host} is an address of a private network, which the configuration (webhooks.allow) does not list`
    }
    return undefined
  }

  post(text: string, body: string, signal: AbortSignal): Promise<void> {
    const refusal = this.refusal(text)
    if (refusal !== undefined) return Promise.reject(new Error(refusal))
    const url = new URL(text)
    const send = url.protocol === 'https:' ? requestHttps : requestHttp
    const host = hostOf(url)
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
          lookup: this.#lookup(host),
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

  #mayReach(host: string, address: string): boolean {
    if (this.#names.has(host)) return true
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    return !this.#private[family].check(address, family) || this.#allowed.check(address, family)
  }

  /** Looks a name up and gives only addresses that may be reached; where there is none, it fails. */
  #lookup(host: string): LookupFunction {
    return (name, options, callback) => {
      lookUpName(name, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
        if (error !== null) {
          callback(error, '', 0)
          return
        }
        const open = addresses.filter(({ address }) => this.#mayReach(host, address))
        const [first] = open
        if (first === undefined) {
          callback(new Error(`${name} is on a private network, which is not listed`), '', 0)
        } else if (options.all === true) callback(null, open)
        else callback(null, first.address, first.family)
      })
    }
  }
}

/** Without the brackets of IPv6. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
}
