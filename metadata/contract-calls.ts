/** The calls that the contract's tests are made of. */
import { expect } from 'vitest'
import type { Commit, Json, MetadataStore, Range, Row, Write } from './store.ts'

export const PARTITION = 'b'

/** A commit of one write to the table `object`. */
export function writing(sort: string, value: Json, rev?: Row['rev'], bytes?: Uint8Array): Commit {
  const expects = rev === undefined ? [] : [{ table: 'object' as const, sort, rev }]
  const write: Write = { table: 'object', sort, value, ...(bytes && { bytes }) }
  return { partition: PARTITION, expects, writes: [write] }
}

export async function fill(store: MetadataStore, sorts: readonly string[]): Promise<void> {
  for (const sort of sorts) expect(await store.commit(writing(sort, sort))).toBe(true)
}

export async function sortsOf(store: MetadataStore, range: Range): Promise<string[]> {
  return (await store.scan(PARTITION, 'object', range)).map((row) => row.sort)
}

export type Opened = () => Promise<MetadataStore>
