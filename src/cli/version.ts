/** `sluice version` */
import { readFileSync } from 'node:fs'

/** The version in package.json. */
export function versionText(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version?: unknown }).version)
}

export function version(): number {
  process.stdout.write(`sluice ${versionText()} (Node.js ${process.version})\n`)
  return 0
}
