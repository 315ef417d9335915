/**
 * A network with faults: a proxy before an HTTP service that, for the requests a rule says, breaks the
 * connection, answers itself, waits, or keeps the answer to itself. Everything else goes through.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request as ask, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { drained } from './remote.fake.ts'

export interface Fault {
  /** Method and path with query: which requests. */
  readonly of: RegExp
  /** How many of them go through before. */
  readonly skip?: number
  /** How many of them; all where absent. */
  readonly times?: number
  readonly act:
    /** The body of the answer breaks off after so many bytes. */
    | { readonly cutAfterBytes: number }
    /** The same, but nothing more comes and the connection stays. */
    | { readonly stallAfterBytes: number }
    /** The connection breaks before the request reaches the service. */
    | 'refuse'
    /** The service has done it, and nobody hears of it. */
    | 'dropAnswer'
    | { readonly status: number; readonly code: string }
    | { readonly delayMs: number }
}

export class FaultyNetwork implements AsyncDisposable {
  /** Of the proxy. */
  endpoint = ''
  /** Faults that came to pass. */
  readonly happened: string[] = []
  readonly #target: string
  #faults: { readonly fault: Fault; skip: number; left: number }[] = []
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => response.destroy())
  })

  private constructor(target: string) {
    this.#target = target
  }

  static async before(target: string): Promise<FaultyNetwork> {
    const network = new FaultyNetwork(target)
    network.#server.listen(0, '127.0.0.1')
    await once(network.#server, 'listening')
    const { port } = network.#server.address() as AddressInfo
    network.endpoint = `http://127.0.0.1:${port}`
    return network
  }

  add(fault: Fault): void {
    this.#faults.push({ fault, skip: fault.skip ?? 0, left: fault.times ?? Infinity })
  }

  clear(): void {
    this.#faults = []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const what = `${request.method} ${request.url}`
    const found = this.#faults.find((each) => {
      const isMeant = each.left > 0 && each.fault.of.test(what)
      return isMeant && (each.skip -= 1) < 0
    })
    const act = found?.fault.act
    if (found !== undefined) {
      found.left -= 1
      this.happened.push(what)
    }
    if (act === 'refuse') {
      request.socket.destroy()
      return
    }
    if (typeof act === 'object' && 'status' in act) {
      for await (const _ of request);
      response.writeHead(act.status, { 'content-type': 'application/xml' })
      response.end(`<Error><Code>${act.code}</Code><Message>a fault</Message></Error>`)
      return
    }
    if (typeof act === 'object' && 'delayMs' in act)
      await new Promise((resolve) => setTimeout(resolve, act.delayMs))
    await this.#forward(request, response, act)
  }

  async #forward(
    request: IncomingMessage,
    response: ServerResponse,
    act: Fault['act'] | undefined,
  ): Promise<void> {
    const { method, headers } = request
    // The host stays as it was signed.
    const onward = ask(new URL(request.url ?? '/', this.#target), { method, headers, agent: false })
    request.pipe(onward)
    request.once('close', () => request.complete || onward.destroy())
    const [answer] = (await once(onward, 'response')) as [IncomingMessage]
    if (act === 'dropAnswer') {
      for await (const _ of answer);
      request.socket.destroy()
      return
    }
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    let left = bytesBefore(act)
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      const some = chunk.subarray(0, left)
      left -= some.length
      if (!response.write(some)) await drained(response)
      if (response.destroyed) return
      if (left > 0) continue
      if (typeof act === 'object' && 'stallAfterBytes' in act) return
      // What was written has gone out before the connection breaks.
      setTimeout(() => request.socket.destroy(), 5)
      return
    }
    response.end()
  }
}

function bytesBefore(act: Fault['act'] | undefined): number {
  if (typeof act !== 'object') return Infinity
  if ('cutAfterBytes' in act) return act.cutAfterBytes
  return 'stallAfterBytes' in act ? act.stallAfterBytes : Infinity
}
