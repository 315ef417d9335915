import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'
import { logContract } from './contract.ts'
import { openLog } from './open.ts'

const root = mkdtempSync(path.join(tmpdir(), 'sluice-log-'))
afterAll(() => rmSync(root, { recursive: true }))

logContract(
  'sqlite',
  () => {
    const folder = mkdtempSync(path.join(root, 'log-'))
    return { open: () => openLog({ engine: 'sqlite', path: folder }) }
  },
  { isKept: true, runs: 10 },
)
