import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, onTestFinished } from 'vitest'
import { logContract } from './contract.ts'
import { openInMemory } from './memory.ts'
import { type LogEngineName, openLog } from './open.ts'
import { LogServer } from './serve.ts'
import { SocketPlace } from './socket-place.ts'
import { connectLog } from './socket-client.fixture.ts'
import type { StorageEngine } from './store.ts'

const root = mkdtempSync(path.join(tmpdir(), 'sluice-log-'))
afterAll(() => rmSync(root, { recursive: true }))

/** A client whose server ends with it. */
async function served(engine: StorageEngine, socket: string): Promise<StorageEngine> {
  const place = await SocketPlace.hold(socket)
  const server = await LogServer.open({ engine, place, handoverMs: 50 })
  const client = await connectLog(socket)
  const { log, meta } = client
  return {
    log,
    meta,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
      place[Symbol.dispose]()
      await engine[Symbol.asyncDispose]()
    },
  }
}

/** One server, to which client after client comes. */
function staying(engine: LogEngineName): () => { open(): Promise<StorageEngine> } {
  return () => {
    const folder = mkdtempSync(path.join(root, 'log-'))
    const socket = path.join(folder, 'socket')
    let server: Promise<LogServer> | undefined
    const start = async (): Promise<LogServer> => {
      const served = await openLog({ engine, path: path.join(folder, 'log') })
      const place = await SocketPlace.hold(socket)
      const started = await LogServer.open({ engine: served, place, handoverMs: 50 })
      onTestFinished(async () => {
        await started[Symbol.asyncDispose]()
        place[Symbol.dispose]()
        await served[Symbol.asyncDispose]()
      })
      return started
    }
    return {
      async open() {
        server ??= start()
        await server
        return connectLog(socket)
      },
    }
  }
}

logContract('segment, over a socket', staying('segment'), { isKept: true, runs: 10 })
logContract(
  'sqlite, over a socket that ends with its client',
  () => {
    const folder = mkdtempSync(path.join(root, 'log-'))
    const socket = path.join(folder, 'socket')
    return {
      open: async () =>
        served(await openLog({ engine: 'sqlite', path: path.join(folder, 'log') }), socket),
    }
  },
  { isKept: true, runs: 5 },
)
logContract(
  'memory, over a socket',
  () => {
    const folder = mkdtempSync(path.join(root, 'log-'))
    return { open: () => served(openInMemory(), path.join(folder, 'socket')) }
  },
  { isKept: false, runs: 20 },
)
