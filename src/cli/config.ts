/** `sluice config print|check|schema` */
import { loadConfig } from '../config.ts'
import { printConfig } from '../config-print.ts'
import { jsonSchema } from '../config-schema.ts'
import type { Invocation } from './commands.ts'

/** A configuration that is wrong throws `ConfigError`, which the program tells with exit code 1. */
export async function config({ action, flags }: Invocation): Promise<number> {
  if (action === 'schema') {
    process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
    return 0
  }
  const loaded = await loadConfig({ flags, env: process.env })
  for (const warning of loaded.raw.warnings) process.stderr.write(`sluice: warning: ${warning}\n`)
  process.stdout.write(action === 'print' ? printConfig(loaded) : 'The configuration is valid.\n')
  return 0
}
