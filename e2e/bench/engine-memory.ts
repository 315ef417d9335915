/** How much memory the storages take that are a gateway to a service: each run a process of its own. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Scale } from './engine-rows.ts'
import { type Goal, median } from './goals.ts'

const CHILD = fileURLToPath(new URL('engine-memory.child.ts', import.meta.url))
const SIZE_MIB = 256
const GROWTH_MAX_MIB = 64

export async function memoryGoals({ rounds, part }: Scale): Promise<Goal[]> {
  const size = Math.max(8, Math.ceil(SIZE_MIB * part))
  const goals: Goal[] = []
  for (const service of ['s3', 'gcs', 'azure'])
    for (const direction of ['put', 'get'])
      for (const atOnce of [1, 16]) {
        const grown: number[] = []
        for (let round = 0; round < Math.min(3, rounds); round++)
          grown.push(await growth(service, direction, atOnce, size))
        goals.push({
          name: `${service}: growth by ${atOnce} ${direction} of ${size} MiB at once`,
          measured: median(grown),
          unit: 'MiB',
          atMost: GROWTH_MAX_MIB,
          of: `resident memory: ${grown.join(', ')}`,
        })
      }
  return goals
}

async function growth(...words: readonly (string | number)[]): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, ...words.map(String)])
  return Number(stdout)
}
