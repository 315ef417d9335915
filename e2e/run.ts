/**
 * The end-to-end suite over chosen engines: real clients with their default settings against the real program.
 *
 *   npm run e2e                                            every pair of embedded engines, http and https
 *   npm run e2e -- --metadata sqlite --storage fs          one pair
 *   npm run e2e -- --metadata jsonl --storage fs           an engine that is not among the usual ones
 *   npm run e2e -- --transport http --clients aws-cli,boto3
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const HELP = `Usage: npm run e2e -- [--metadata a,b] [--storage a,b] [--transport http,https] [--clients a,b]

Runs real S3 clients against a gateway of each engine pair. Installs what is missing where it may
(Debian packages as root, Python packages in a folder of their own).`

const { values } = parseArgs({
  options: {
    metadata: { type: 'string' },
    storage: { type: 'string' },
    transport: { type: 'string' },
    clients: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}

const here = fileURLToPath(new URL('.', import.meta.url))
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const chosen = (values.clients?.split(',') ?? []).map((name) => `/${name}.e2e.ts`)
const env = { ...process.env }
for (const name of ['metadata', 'storage', 'transport'] as const) {
  const words = values[name]
  if (words) env[`SLUICE_E2E_${name.toUpperCase()}`] = words
}
const args = [vitest, 'run', '--config', `${here}vitest.config.ts`, ...chosen]
process.exit(spawnSync(process.execPath, args, { stdio: 'inherit', env }).status ?? 1)
