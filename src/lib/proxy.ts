/**
 * The proxy that the surroundings name (`HTTPS_PROXY`, `HTTP_PROXY`, but for hosts of `NO_PROXY`; in small letters
 * too), for agents that reach a service: Node.js itself does the rest from version 24.5 on, and an older one
 * goes there directly. A service on this machine is never asked by way of another one.
 */
import type { AgentOptions } from 'node:http'

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/** Options of an agent for that URL; none: of a service somewhere else. */
export function proxyFor(
  url?: string,
  env: NodeJS.ProcessEnv = process.env,
): Pick<AgentOptions, 'proxyEnv'> {
  const host = url === undefined ? undefined : URL.parse(url)?.hostname
  return host !== undefined && LOOPBACK.test(host) ? {} : { proxyEnv: env }
}
