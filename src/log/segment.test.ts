import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'
import { logContract } from './contract.ts'
import { LOG_DISK } from './disk.ts'
import { openLog } from './open.ts'
import { openSegments } from './segment.ts'

const root = mkdtempSync(path.join(tmpdir(), 'sluice-log-'))
afterAll(() => rmSync(root, { recursive: true }))
const newFolder = (): string => mkdtempSync(path.join(root, 'log-'))

logContract(
  'segment',
  () => {
    const folder = newFolder()
    return { open: () => openLog({ engine: 'segment', path: folder }) }
  },
  { isKept: true, runs: 10 },
)
/** Syncs that cost nothing, and segments so small that there are many. */
const disk = { ...LOG_DISK, datasync: async () => {}, syncFolder: async () => {} }
logContract(
  'segment, small ones',
  () => {
    const folder = newFolder()
    return { open: () => openSegments({ path: folder, disk, segmentBytes: 2000 }) }
  },
  { isKept: true, runs: 60 },
)
