/** `sluice doctor`: tries everything the gateway needs, and tells it as a table or as JSON. */
import { randomBytes } from 'node:crypto'
import { type Config, ConfigError, loadConfig } from '../config.ts'
import { nearHost } from '../near-host.ts'
import { startServer } from '../server.ts'
import { needsFolder } from '../server-choices.ts'
import type { Invocation } from './commands.ts'
import {
  checkCertificate,
  checkClock,
  checkNode,
  checkRoundTrip,
  checkSpace,
  checkSync,
  isTaken,
} from './doctor-checks.ts'
import { targetOf } from './gateway-target.ts'
import { healthUrl } from './healthcheck.ts'
import { statusOf } from './status-of.ts'

export interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
}

/** Exit code 0 where everything is well. */
export async function doctor({ flags, json }: Invocation): Promise<number> {
  const findings: Finding[] = []
  const look = async (check: string, find: () => string | Promise<string>): Promise<void> => {
    const finding = await found(check, find)
    findings.push(finding)
    if (!json) process.stdout.write(`${lineOf(finding)}\n`)
  }
  await look('Node.js', () => checkNode())
  let config: Config | undefined
  let health = ''
  await look('configuration', async () => {
    const loaded = await loadConfig({ flags, env: process.env })
    config = loaded.config
    health = healthUrl(loaded.raw.tree)
    const { warnings } = loaded.raw
    return warnings.length > 0 ? warnings.join('; ') : (loaded.raw.file ?? 'defaults')
  })
  if (config !== undefined) await examine(config, health, look)
  if (json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`)
  return findings.every(({ ok }) => ok) ? 0 : 1
}

type Look = (check: string, find: () => string | Promise<string>) => Promise<void>

async function examine(config: Config, health: string, look: Look): Promise<void> {
  const { data, tls, host, port } = config
  if (needsFolder(config)) {
    await look('disk space', () => checkSpace(data))
    await look('disk sync', () => checkSync(data))
    await look('clock', () => checkClock(data))
  }
  if (tls) await look('certificate', () => checkCertificate(tls.cert))
  const near = nearHost(host)
  const isUsed = port !== 0 && (await isTaken(near.replaceAll(/[[\]]/g, ''), port))
  const isOurs = isUsed && (await statusOf(health)) === 200
  await look('port', () => {
    if (isUsed && !isOurs) throw new Error(`${port} on ${host} is taken by another program`)
    return `${port} on ${host} is ${isOurs ? 'ours: the gateway is running' : 'free'}`
  })
  const name = `sluice-doctor-${randomBytes(6).toString('hex')}`
  await look('signed request', async () => {
    if (isOurs) {
      return checkRoundTrip(targetOf(config), name)
    }
    const own = { ...config, port: 0, control: undefined, buckets: [] }
    const server = await startServer(own)
    try {
      const [credential] = server.credentials
      return await checkRoundTrip(
        { endpoint: server.url, region: config.region, credential: credential! },
        name,
      )
    } finally {
      await server.close()
    }
  })
}

async function found(check: string, find: () => string | Promise<string>): Promise<Finding> {
  try {
    return { check, ok: true, detail: await find() }
  } catch (error) {
    const detail =
      error instanceof ConfigError
        ? error.problems.join('\n')
        : error instanceof Error
          ? error.message || error.name
          : String(error)
    return { check, ok: false, detail }
  }
}

const COLUMN = 15

function lineOf({ check, ok, detail }: Finding): string {
  return `${ok ? '✓' : '✗'} ${check.padEnd(COLUMN)} ${detail.replaceAll('\n', `\n${' '.repeat(COLUMN + 3)}`)}`
}
