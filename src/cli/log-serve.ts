/** `sluice log serve`: a log that other programs use over a Unix socket, until it is told to stop. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { LOG_ENGINES, type LogEngineName, openLog } from '../log/open.ts'
import { LogServer } from '../log/serve.ts'
import { SOCKET_PATH_BYTES_MAX, SocketPlace } from '../log/socket-place.ts'
import { type Flags, type Invocation, UsageError } from './commands.ts'
import { Interruption } from './interruption.ts'

export async function logServe({ flags, json }: Invocation): Promise<number> {
  const socket = needed(flags, 'socket')
  const folder = needed(flags, 'data')
  const engine = engineFlag(flags)
  if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES_MAX)
    throw new UsageError(`--socket has at most ${SOCKET_PATH_BYTES_MAX} bytes`)
  if (!existsSync(dirname(socket)))
    throw new UsageError(`--socket: there is no folder ${dirname(socket)}`)
  using interruption = new Interruption('')
  using place = await SocketPlace.hold(socket)
  await using opened = await openLog({ engine, path: folder })
  await using _server = await LogServer.open({ engine: opened, place })
  const { firstIndex, lastIndex } = opened.log.stats()
  const told = { socket, data: folder, engine, firstIndex, lastIndex, pid: process.pid }
  process.stdout.write(
    json
      ? `${JSON.stringify({ message: 'serving', ...told })}\n`
      : `Serving the log in ${folder} (${engine}, entries ${firstIndex} to ${lastIndex}) on ${socket}.\n`,
  )
  if (!interruption.signal.aborted) await once(interruption.signal, 'abort')
  return 0
}

function needed(flags: Flags, name: string): string {
  const value = flags[name]
  if (value === undefined) throw new UsageError(`log serve needs --${name}`)
  return value
}

function engineFlag({ engine = 'segment' }: Flags): LogEngineName {
  const known = LOG_ENGINES.find((name) => name === engine)
  if (known === undefined) throw new UsageError(`--engine is one of ${LOG_ENGINES.join(', ')}`)
  return known
}
