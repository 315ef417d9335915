/**
 * Connections to a service: kept for their next use, given up when they do not come to stand within 5 s
 * or when nothing moves on them for too long. For SDKs that have no such bounds but take an agent.
 */
import { Agent, type AgentOptions } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import type { Socket } from 'node:net'
import { proxyFor } from '../src/lib/proxy.ts'

/** Until a connection stands. */
export const CONNECT_TIMEOUT_MS = 5000
/** Nothing moves for so long: the connection is broken. */
export const IDLE_TIMEOUT_MS = 60_000

/** One connection for each blob that is being read; and idle ones that wait for their next use. */
export const AGENT_OPTIONS: Readonly<AgentOptions> = {
  keepAlive: true,
  maxSockets: 1024,
  maxFreeSockets: 64,
  scheduling: 'lifo',
}

/** An agent for the URL's protocol. */
export function agentFor(url: string, idleTimeoutMs: number): Agent {
  const options = { ...AGENT_OPTIONS, ...proxyFor(url), timeout: idleTimeoutMs }
  const agent = url.startsWith('https:') ? new TlsAgent(options) : new Agent(options)
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (...args) => {
    const socket = connect(...args) as Socket
    guard(socket)
    return socket
  }
  return agent
}

function guard(socket: Socket): void {
  const giveUp = (): void => {
    socket.destroy(failure('no connection came to stand'))
  }
  const connecting = setTimeout(giveUp, CONNECT_TIMEOUT_MS)
  socket.once('connect', () => clearTimeout(connecting))
  socket.once('close', () => clearTimeout(connecting))
  socket.on('timeout', () => socket.destroy(failure('nothing moves on the connection')))
}

/** With the system's word, by which it is known as one of the network. */
function failure(message: string): Error {
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' })
}
