/**
 * The reference for large bodies: node:http with nothing behind it, in a process of its own. A PUT's bytes
 * are dropped; a GET is given 1 GiB, from one buffer of 1 MiB. What a gateway costs beyond this is its own.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Server } from './small.ts'
import { siteOf } from './wire.ts'

/** What `e2e/bench/main.ts` asks for, unless it only tries itself out. */
const GET_BYTES: number = 1024 ** 3
const BLOCK = new Uint8Array(1024 ** 2).fill(98)

export async function startBare(): Promise<AsyncDisposable & { readonly server: Server }> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return {
    server: { site: siteOf(line), pid: child.pid! },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    },
  }
}

async function serve(): Promise<void> {
  const server = createServer((request, response) => {
    if (request.method === 'PUT') {
      request.on('data', () => {})
      request.on('end', () => response.writeHead(200, { 'content-length': 0 }).end())
      return
    }
    let left = GET_BYTES
    response.writeHead(200, { 'content-length': left })
    const next = (): void => {
      const piece = BLOCK.subarray(0, left)
      left -= piece.length
      if (left > 0) response.write(piece, next)
      else response.end(piece)
    }
    next()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve()
