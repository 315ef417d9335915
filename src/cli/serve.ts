/** `sluice serve`: the gateway as a process: its log, its signals, its end. */
import { flushCompileCache } from 'node:module'
import { banner, durabilityText, isDurable } from '../banner.ts'
import { type Config, loadConfig } from '../config.ts'
import { type Log, openLog } from '../log.ts'
import { type Server, startServer } from '../server.ts'
import type { Invocation } from './commands.ts'
import { versionText } from './version.ts'

/** How often a gateway under npm looks whether npm is still there, in milliseconds. */
const ORPHAN_CHECK_MS = 1000
/** After the start, what was compiled is written down, for a process that is killed never does. */
const CACHE_FLUSH_MS = 500

/** Serves until it is told to stop; resolves to the exit code. */
export async function serve({ flags }: Invocation): Promise<number> {
  const { config, raw } = await loadConfig({ flags, env: process.env })
  const isTerminal = process.stdout.isTTY
  const format = config.log.format === 'auto' ? (isTerminal ? 'text' : 'json') : config.log.format
  const log = openLog({ level: config.log.level, format })
  crashOnFaults(log)
  for (const warning of raw.warnings) log.warn(warning)
  const server = await startServer(config, log)
  if (isTerminal) process.stdout.write(`${banner(config, server)}\n`)
  else log.info('listening', listeningFields(config, server))
  setTimeout(flushCompileCache, CACHE_FLUSH_MS).unref()
  process.on('SIGHUP', () => reload(config, server, log))
  const reason = await stopAsked()
  log.info('stopping', { reason, waitsAtMostMs: config.shutdownTimeoutMs })
  const isWhole = await server.close()
  if (!isWhole) log.warn('requests were cut off', { afterMs: config.shutdownTimeoutMs })
  log.info('stopped')
  await log.drain()
  // Whatever may still be open belongs to nobody: the stores are closed and the ports are drained.
  process.exit(0)
}

/** No secret is among them: this goes into pipes and files. */
function listeningFields(config: Config, server: Server): Record<string, unknown> {
  const { metadata, storage, region } = config
  return {
    version: versionText(),
    url: server.url,
    controlUrl: server.controlUrl,
    region,
    accessKeyId: server.credentials[0]?.accessKeyId,
    credentialsFile: server.credentialsFile,
    data: config.data,
    metadata: metadata.engine,
    storage: storage.engine,
    sealKey: storage.seal?.keys[0]?.id,
    durable: isDurable(config),
    durability: durabilityText(config),
    pid: process.pid,
  }
}

function reload(config: Config, server: Server, log: Log): void {
  if (!config.tls) return
  try {
    server.reloadTls()
    log.info('the certificate was read again', { cert: config.tls.cert })
  } catch (error) {
    log.error('the certificate could not be read again: the old one stays', { error })
  }
}

/** A fault leaves the process in a state that nobody knows: it ends, and what runs it starts it anew. */
function crashOnFaults(log: Log): void {
  const crash = (error: unknown): void => {
    log.error('fault: the gateway ends', { error })
    log.flush()
    process.exit(1)
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
}

/** Resolves to why the gateway is to stop; a second signal ends the process at once. */
function stopAsked(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve(signal)
        // After the first, both have their ordinary meaning again.
        process.removeAllListeners('SIGTERM')
        process.removeAllListeners('SIGINT')
      })
    }
    if (process.env['npm_lifecycle_event'] === undefined) return
    // npm does not pass on every signal that ends it: without it nobody would end us.
    const parent = process.ppid
    setInterval(() => {
      if (process.ppid !== parent) resolve('npm is gone')
    }, ORPHAN_CHECK_MS).unref()
  })
}
