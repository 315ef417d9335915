/** What tests of the SQLite engine share. */
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import type { Bounds } from './sqlite.ts'
import type { Json, MetadataStore, Rev } from './store.ts'

/** With these, whatever is done in the background is done all the time. */
export const RESTLESS: Bounds = {
  overlayRows: 3,
  overlayUnits: 1000,
  segmentBytes: 4000,
  roomBytes: 1000,
  checkpointFrames: 4,
}

/** A name for a database, in a directory of the test's own. */
export function newFile(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-sqlite-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return path.join(directory, 'rows.db')
}

/** The store as a crash would leave it now: all of its files, copied to another directory. */
export function copyOf(file: string): string {
  const copy = newFile()
  cpSync(path.dirname(file), path.dirname(copy), { recursive: true })
  return copy
}

/** The files of the commit log, the oldest first. */
export function segmentsOf(file: string): string[] {
  return readdirSync(`${file}-log`)
    .toSorted()
    .map((name) => path.join(`${file}-log`, name))
}

export function put(
  store: MetadataStore,
  sort: string,
  value: Json,
  rev?: Rev,
  bytes?: Uint8Array,
): Promise<boolean> {
  return store.commit({
    partition: 'b',
    expects: rev === undefined ? [] : [{ table: 'object', sort, rev }],
    writes: [{ table: 'object', sort, value, ...(bytes && { bytes }) }],
  })
}
