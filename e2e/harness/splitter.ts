/**
 * One endpoint before several gateways: each request goes to one of them, in an order that has no period,
 * so that even a client with one connection meets all of them at every kind of request. What passes through
 * is not touched: path, headers and bodies are what the client signed.
 */
import { once } from 'node:events'
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as ask,
  type ServerResponse,
} from 'node:http'

export interface Splitter extends AsyncDisposable {
  readonly endpoint: string
  readonly port: number
  /** Requests that each of them was given. */
  readonly counts: readonly number[]
}

/** Before gateways at these ports of 127.0.0.1. */
export async function startSplitter(ports: readonly number[]): Promise<Splitter> {
  const agent = new Agent({ keepAlive: true })
  const counts = ports.map(() => 0)
  let turn = 0
  const pass = (from: IncomingMessage, to: ServerResponse): void => {
    const index = digitSum(turn++, ports.length) % ports.length
    counts[index]!++
    passOn(from, to, ports[index]!, agent)
  }
  const server = createServer({ keepAliveTimeout: 60_000, maxHeaderSize: 64 * 1024 }, pass)
  server.on('checkContinue', pass)
  server.on('checkExpectation', pass)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    counts,
    async [Symbol.asyncDispose]() {
      agent.destroy()
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Of `value` written to the base `base`: modulo the base that is the Thue-Morse sequence, which never repeats a run thrice. */
function digitSum(value: number, base: number): number {
  let sum = 0
  for (let rest = value; rest > 0; rest = Math.floor(rest / base)) sum += rest % base
  return sum
}

function passOn(from: IncomingMessage, to: ServerResponse, port: number, agent: Agent): void {
  const { method, url: path, rawHeaders } = from
  const asked = ask({ host: '127.0.0.1', port, method, path, headers: rawHeaders, agent })
  to.sendDate = false
  let isAnswered = false
  asked.on('continue', () => to.writeContinue())
  asked.on('response', (answer) => {
    isAnswered = true
    to.writeHead(answer.statusCode ?? 500, answer.statusMessage, answer.rawHeaders)
    answer.pipe(to)
    // An answer that breaks off has to break off for the client too.
    answer.on('close', () => answer.complete || to.destroy())
  })
  asked.on('error', () => isAnswered || to.destroy())
  to.on('close', () => to.writableFinished || asked.destroy())
  from.pipe(asked)
}
