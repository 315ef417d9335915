/** Users that were made while the gateway runs: rows of the root partition, one for each access key. */
import type { Json, MetadataStore } from '../../metadata/store.ts'
import type { Clock } from '../lib/ids.ts'
import { ROOT, scanRows, writeRow } from './rows.ts'

const PREFIX = 'user.'
/** What comes behind all of them. */
const END = 'user/'
const STEP = 1000

export interface UserRows {
  /** Documents by their access keys. */
  read(): Promise<ReadonlyMap<string, Json>>
  /** Null: takes the user away. Durable once resolved. */
  write(accessKeyId: string, document: Json): Promise<void>
}

export function userRows(metadata: MetadataStore, clock: Clock): UserRows {
  return {
    async read() {
      const found = new Map<string, Json>()
      for (let from = PREFIX; ;) {
        const rows = await scanRows(metadata, ROOT, 'config', { from, to: END, limit: STEP })
        for (const { sort, value } of rows) found.set(sort.slice(PREFIX.length), value.document)
        if (rows.length < STEP) return found
        from = `${rows.at(-1)!.sort}\0`
      }
    },

    async write(accessKeyId, document) {
      const sort = PREFIX + accessKeyId
      const row = document === null ? null : { t: clock.now(), document }
      const writes = [writeRow('config', sort, row)]
      await metadata.commit({ partition: ROOT, expects: [], writes })
    },
  }
}
