/** Writers at full speed, SIGKILL at random moments, again and again on the same data. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Client } from '../harness/client.ts'
import { startGateway } from '../harness/gateway.ts'
import { noise } from '../harness/tree.ts'

const ROUNDS = Number(process.env['SLUICE_CRASH_ROUNDS'] ?? 12)
const WRITERS = 8
/** A start may take so long; more where the machine has other work. */
const READY_MS = Number(process.env['SLUICE_CRASH_READY_MS'] ?? 1500)
const METADATA = process.env['SLUICE_CRASH_METADATA'] ?? 'sqlite'

/** What a key may hold: the number of its last acknowledged write, and of one that was under way. */
interface Known {
  acknowledged: number
  tried: number
}

/** The bytes of a key's n-th write: of all sizes, inlined and not, and told apart from one another. */
function bodyOf(key: string, n: number): Uint8Array {
  const seed = Number(key.replace(/\D/g, '')) * 1000 + n
  return noise([10, 4000, 50_000, 300_000][n % 4]!, seed)
}

test(`${ROUNDS} rounds of kill -9 under load lose nothing acknowledged and serve again within a second`, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-loop-'))
  const known = new Map<string, Known>()
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await using gateway = await startGateway({ dataDir, metadata: METADATA })
      if (round > 0) expect(gateway.readyMs).toBeLessThan(READY_MS)
      using client = new Client(gateway)
      await client.send('PUT', '/loop')
      await verify(client, known)
      let running = true
      const write = async (writer: number): Promise<void> => {
        for (let i = 0; running; i++) {
          const key = `key-${writer * 100 + (i % 7)}`
          const state = known.get(key) ?? { acknowledged: -1, tried: -1 }
          known.set(key, state)
          const n = Math.max(state.tried, state.acknowledged) + 1
          state.tried = n
          try {
            await client.ok('PUT', `/loop/${key}`, { body: bodyOf(key, n) })
            state.acknowledged = n
          } catch {
            return
          }
        }
      }
      const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer))
      await new Promise((resolve) => setTimeout(resolve, 150 + Math.random() * 500))
      await gateway.kill()
      running = false
      await Promise.all(writers)
    }
    expect([...known.values()].some(({ acknowledged }) => acknowledged > 5)).toBe(true)
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
})

async function verify(client: Client, known: ReadonlyMap<string, Known>): Promise<void> {
  for (const [key, state] of known) {
    const { status, body } = await client.send('GET', `/loop/${key}`)
    if (state.acknowledged < 0 && status === 404) continue
    expect(status, key).toBe(200)
    const found = [state.acknowledged, state.tried]
      .filter((n) => n >= 0)
      .find((n) => body.equals(bodyOf(key, n)))
    expect(found, `${key}: ${body.length} bytes that no write of it had`).toBeDefined()
    state.acknowledged = found!
  }
}
