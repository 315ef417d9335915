/** A process that puts blobs and is killed: what it acknowledged is there, whole, whatever storage it has. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { SILENT } from '../../src/lib/meter.ts'
import { difference, list, read } from '../../storage/contract-samples.ts'
import { bytesOf } from '../../storage/kill.child.ts'
import { openStorage, type StorageOptions } from '../../storage/open.ts'

const CHILD = fileURLToPath(new URL('../../storage/kill.child.ts', import.meta.url))

/** `somewhere`: an empty storage each time. */
export function killedPutsPromises(somewhere: () => StorageOptions): void {
  test.each([1, 20, 100])(
    'a process killed after %i acknowledged puts has left each of them whole, and no blob by half',
    async (count) => {
      const options = somewhere()
      const child = spawn(process.execPath, [CHILD, JSON.stringify(options)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exited = once(child, 'exit')
      const acknowledged: string[] = []
      for await (const line of createInterface(child.stdout)) {
        acknowledged.push(line)
        if (acknowledged.length === count) child.kill('SIGKILL')
      }
      await exited
      expect(acknowledged.length).toBeGreaterThanOrEqual(count)
      await using storage = await openStorage(options, SILENT)
      const listed = await list(storage)
      for (const { id, size } of listed) {
        expect(size).toBe(bytesOf(id).length)
        expect(difference(await read(await storage.get(id)), bytesOf(id))).toBe('none')
      }
      const found = new Set(listed.map(({ id }) => id))
      expect(acknowledged.filter((id) => !found.has(id))).toEqual([])
    },
  )
}
