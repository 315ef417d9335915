/** How the log that is killed again and again is opened: with segments so small that many are begun, filled and used again. */
import { mkdirSync } from 'node:fs'
import { type LogEngineName, openLog } from '../../src/log/open.ts'
import { openSegments } from '../../src/log/segment.ts'
import type { StorageEngine } from '../../src/log/store.ts'

const SEGMENT_BYTES: number = 256 * 1024

export async function openPlace(engine: LogEngineName, path: string): Promise<StorageEngine> {
  if (engine !== 'segment') return openLog({ engine, path })
  mkdirSync(path, { recursive: true })
  return openSegments({ path, segmentBytes: SEGMENT_BYTES })
}
