/**
 * What trusted proxies say of a request's origin: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host.
 * Of anybody else these headers say nothing, for anybody can send them.
 */
import { BlockList, isIP } from 'node:net'

/** Whether an address is a trusted proxy's. */
export type IsTrusted = (address: string) => boolean

/** Of addresses and networks in CIDR notation; undefined where there are none. */
export function trustedProxies(networks: readonly string[]): IsTrusted | undefined {
  if (networks.length === 0) return undefined
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  return (address) => {
    const version = isIP(address)
    return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4')
  }
}

/** The origin of a request, as far as it can be believed. */
export interface Origin {
  readonly remoteAddress: string
  readonly isSecure: boolean
  /** Node's rawHeaders, with the Host that the client named. */
  readonly rawHeaders: readonly string[]
}

/** The origin as the last proxy that is trusted tells it; `direct` itself where that is none. */
export function believed(direct: Origin, isTrusted: IsTrusted): Origin {
  if (!isTrusted(plain(direct.remoteAddress))) return direct
  const said = (name: string): readonly string[] => valuesOf(direct.rawHeaders, name)
  const proto = said('x-forwarded-proto').at(-1)
  const host = said('x-forwarded-host').at(-1)
  return {
    remoteAddress: clientOf(said('x-forwarded-for'), isTrusted) ?? direct.remoteAddress,
    isSecure: proto === undefined ? direct.isSecure : proto.toLowerCase() === 'https',
    rawHeaders: host === undefined ? direct.rawHeaders : withHost(direct.rawHeaders, host),
  }
}

/** From the right: each proxy adds whom it heard it from, so the first that is not trusted is the client. */
function clientOf(chain: readonly string[], isTrusted: IsTrusted): string | undefined {
  for (const hop of chain.toReversed()) {
    const address = plain(hop)
    if (isIP(address) === 0) return undefined
    if (!isTrusted(address)) return address
  }
  return chain[0] === undefined ? undefined : plain(chain[0])
}

/** IPv4 in IPv6 as IPv4; without port and brackets. */
function plain(address: string): string {
  const bare = /^\[(.*)\](?::\d+)?$/.exec(address)?.[1] ?? address
  const mapped = bare.toLowerCase().startsWith('::ffff:') ? bare.slice('::ffff:'.length) : bare
  return /^\d+\.\d+\.\d+\.\d+:\d+$/.test(mapped) ? mapped.slice(0, mapped.indexOf(':')) : mapped
}

function valuesOf(rawHeaders: readonly string[], name: string): readonly string[] {
  const values: string[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.toLowerCase() !== name) continue
    for (const value of rawHeaders[at + 1]!.split(',')) {
      if (value.trim() !== '') values.push(value.trim())
    }
  }
  return values
}

function withHost(rawHeaders: readonly string[], host: string): readonly string[] {
  return rawHeaders.map((text, at) =>
    at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === 'host' ? host : text,
  )
}
