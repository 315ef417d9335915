/**
 * What the gateway may reach on behalf of others: public addresses, and what the configuration lists.
 *
 * So that nobody reaches through the gateway what only the gateway can reach, addresses of private
 * networks are refused unless they are listed. Names are looked up for each connection, which goes to the
 * address that was looked at, so a name cannot change its mind in between.
 */
import { lookup as lookUpName, type LookupAddress } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

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

export class Outbound {
  /** A list for each family: a list of both takes IPv4 for what is mapped into IPv6. */
  readonly #private = { ipv4: new BlockList(), ipv6: new BlockList() }
  readonly #allowed = new BlockList()
  readonly #names = new Set<string>()
  /** The key of the configuration that lists what is allowed, for error texts. */
  readonly #setting: string

  /** Names, addresses and networks (CIDR). Throws RangeError for what is none of them. */
  constructor(allow: readonly string[], setting: string) {
    this.#setting = setting
    for (const [net, bits] of PRIVATE_V4) this.#private.ipv4.addSubnet(net, bits, 'ipv4')
    for (const [net, bits] of PRIVATE_V6) this.#private.ipv6.addSubnet(net, bits, 'ipv6')
    for (const each of allow) this.#allow(each.toLowerCase())
  }

  /** Why a URL may not be asked, in words for whoever named it; undefined: it may. */
  refusal(text: string): string | undefined {
    if (text.length > URL_MAX) return 'the URL is too long'
    const url = URL.parse(text)
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
      return 'an http:// or https:// URL is expected'
    if (url.username !== '' || url.password !== '') return 'the URL must not bear credentials'
    const host = hostOf(url)
    if (isIP(host) !== 0 && !this.#mayReach(host, host))
      return `${host} is an address of a private network, which the configuration (${this.#setting}) does not list`
    return undefined
  }

  /** For a connection to the host of a URL: gives only addresses that may be reached; where there is none, it fails. */
  lookup(url: URL): LookupFunction {
    const host = hostOf(url)
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

  #mayReach(host: string, address: string): boolean {
    if (this.#names.has(host)) return true
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    return !this.#private[family].check(address, family) || this.#allowed.check(address, family)
  }
}

/** Without the brackets of IPv6. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
}
