/**
 * A process that commits for ever, and says what was acknowledged: `contract-reopen.ts` kills it. Its
 * argument is the options of the store, as JSON; each line is a writer and its commit's number.
 */
import { writeSync } from 'node:fs'
import { SILENT } from '../src/lib/meter.ts'
import { openMetadata, type MetadataOptions } from './open.ts'
import type { MetadataStore, Write } from './store.ts'

/** Writers at the same time, each with a partition of its own. */
export const COMMITTERS = 8
/** Rows that a commit of a writer writes, all with its number as their value and in their bytes. */
export const ROWS_PER_COMMIT = 5

async function commitForEver(store: MetadataStore, writer: number): Promise<void> {
  for (let commit = 1; ; commit++) {
    const writes = Array.from({ length: ROWS_PER_COMMIT }, (_, row): Write => {
      const bytes = new Uint8Array(1000).fill(commit)
      return { table: 'object', sort: `row${row}`, value: commit, bytes }
    })
    await store.commit({ partition: `p${writer}`, expects: [], writes })
    say(`${writer} ${commit}`)
  }
}

/** Not by a stream: what is in its buffer when the process is killed would be lost. */
function say(line: string): void {
  writeSync(1, `${line}\n`)
}

async function main(options: MetadataOptions): Promise<void> {
  try {
    const store = await openMetadata(options, SILENT)
    const writers = Array.from({ length: COMMITTERS }, (_, writer) => commitForEver(store, writer))
    await Promise.all(writers)
  } catch (error) {
    say(String(error))
  }
}

if (process.argv[1] === import.meta.filename)
  await main(JSON.parse(process.argv[2]!) as MetadataOptions)
