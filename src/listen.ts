/** Ports: opened with errors that say what to do, and closed without cutting off requests under way. */
import { readFileSync } from 'node:fs'
import { createServer, type Server as HttpServer, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, type Server as HttpsServer } from 'node:https'
import { nearHost } from './near-host.ts'

/** Why the gateway cannot start; the message is one line for the operator. */
export class StartError extends Error {
  override readonly name: string = 'StartError'
}

export type Port = HttpServer | HttpsServer

export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

/** How often connections that have become idle are closed while the rest ends, in milliseconds. */
const IDLE_CHECK_MS = 25

/** A server that does not listen yet; with TLS where files are given. */
export function createPort(options: ServerOptions, tls: TlsFiles | undefined): Port {
  if (tls === undefined) return createServer(options)
  return createTlsServer({ ...options, ...readTls(tls), ALPNProtocols: ['http/1.1'] })
}

/** Gives new connections the certificate that the files hold now; throws, changing nothing, where they are no good. */
export function reloadTls(port: Port, tls: TlsFiles): void {
  if ('setSecureContext' in port) port.setSecureContext(readTls(tls))
}

function readTls({ cert, key }: TlsFiles): { cert: Buffer; key: Buffer } {
  return { cert: readPem(cert), key: readPem(key) }
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new StartError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

/** Listens, and resolves to the URL for this machine (`http://127.0.0.1:9000`); port 0 takes any that is free. */
export async function listen(port: Port, host: string, number: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => reject(startError(error, host, number))
    port.once('error', refuse)
    port.listen({ host, port: number }, () => {
      port.off('error', refuse)
      resolve()
    })
  })
  const address = port.address()
  const taken = typeof address === 'object' && address ? address.port : number
  const scheme = 'setSecureContext' in port ? 'https' : 'http'
  return `${scheme}://${nearHost(host)}:${taken}`
}

function startError(error: NodeJS.ErrnoException, host: string, number: number): Error {
  const place = `port ${number} on ${host}`
  if (error.code === 'EADDRINUSE')
    return new StartError(
      `${place} is taken by another program: stop it, or choose another port with --port`,
    )
  if (error.code === 'EACCES')
    return new StartError(`${place} needs more rights: choose a port above 1023 with --port`)
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
    return new StartError(`${host} is no address of this machine: choose another with --host`)
  return new StartError(`cannot listen on ${place}: ${error.message}`)
}

/**
 * Accepts nothing new, lets requests under way end for `timeoutMs`, then cuts off the rest. Resolves to
 * false where something had to be cut off.
 */
export async function drain(port: Port, timeoutMs: number): Promise<boolean> {
  if (!port.listening) return true
  let isWhole = true
  // A connection that was busy when the port closed is idle, not gone, once its answer is sent.
  const idle = setInterval(() => port.closeIdleConnections(), IDLE_CHECK_MS)
  const end = setTimeout(() => {
    isWhole = false
    port.closeAllConnections()
  }, timeoutMs)
  await new Promise<void>((resolve) => {
    port.close(() => resolve())
    port.closeIdleConnections()
  })
  clearInterval(idle)
  clearTimeout(end)
  return isWhole
}
