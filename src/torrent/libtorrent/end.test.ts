import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { hasNative } from './native.ts'

const PROGRAM = fileURLToPath(new URL('end.fixture.ts', import.meta.url))

// The addon is optional, and built by `npm run build:libtorrent`; CI does so first.
test.runIf(hasNative()).each([
  ['exit', 7],
  ['throw', 1],
  ['close', 0],
] as const)('a process ends as it should in the middle of a download: %s', async (how, code) => {
  const child = spawn(process.execPath, [PROGRAM, how], { stdio: 'ignore', timeout: 15_000 })
  expect(await once(child, 'exit')).toEqual([code, null])
})
