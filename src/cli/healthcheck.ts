/**
 * `sluice healthcheck`: asks the configured gateway for /healthz. For containers, which have neither
 * a shell nor curl; it reads the settings but does not check them, so that it is quick.
 */
import { loadRaw, type RawTree } from '../config-load.ts'
import { preset } from '../config-options.ts'
import { nearHost } from '../near-host.ts'
import type { Invocation } from './commands.ts'
import { statusOf } from './status-of.ts'

export async function healthcheck({ flags }: Invocation): Promise<number> {
  const { tree } = await loadRaw({ flags, env: process.env })
  const url = healthUrl(tree)
  const outcome = await statusOf(url)
  process.stdout.write(`${url}: ${outcome}\n`)
  return outcome === 200 ? 0 : 1
}

/** Where the gateway with these settings answers for its health. */
export function healthUrl(tree: RawTree): string {
  const control = tree['control'] as { host?: string; port?: number } | undefined
  const host = `${control?.host ?? (tree['host'] as string | undefined) ?? preset('host')}`
  const port = Number(control?.port ?? tree['port'] ?? preset('port'))
  const near = nearHost(host)
  const scheme = tree['tls'] === undefined ? 'http' : 'https'
  return `${scheme}://${near}:${port}/healthz`
}
