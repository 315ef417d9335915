/**
 * vitest's global set-up: starts the servers of engines that need one, where the run asks for them, and
 * stops them at its end. Each gateway gets a place of its own there (`gateway.ts`). A further engine is
 * a line of `SERVERS`.
 */
import type { EngineServer, Started } from './engine-server.ts'
import { AZURE } from './server-azure.ts'
import { COSMOS } from './server-cosmos.ts'
import { DYNAMODB } from './server-dynamodb.ts'
import { FIRESTORE } from './server-firestore.ts'
import { GCS } from './server-gcs.ts'
import { POSTGRES } from './server-postgres.ts'

const SERVERS: readonly EngineServer[] = [POSTGRES, DYNAMODB, FIRESTORE, COSMOS, GCS, AZURE]

export default async function setup(): Promise<() => Promise<void>> {
  const started: Started[] = []
  for (const server of SERVERS) {
    const words = process.env[`SLUICE_E2E_${server.kind.toUpperCase()}`]?.split(',') ?? []
    if (!words.includes(server.engine)) continue
    const running = await server.start()
    started.push(running)
    Object.assign(process.env, running.variables)
  }
  return async () => {
    for (const running of started) await running[Symbol.asyncDispose]()
  }
}

/** What a gateway of these engines has to be told to find them, beside their names: something new and empty in each. */
export async function engineEnvironment(
  engines: Readonly<Record<'metadata' | 'storage', string>>,
): Promise<Record<string, string>> {
  const wanted = SERVERS.filter(({ kind, engine }) => engines[kind] === engine)
  const told = await Promise.all(wanted.map((server) => server.environment()))
  return Object.assign({}, ...told) as Record<string, string>
}
