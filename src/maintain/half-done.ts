/** Stores that an import or a migration has filled by half: neither served nor taken for what they seem. */
import type { MetadataStore } from '../../metadata/store.ts'
import { readImport } from './import-state.ts'
import { readMigration } from './migration-state.ts'

/** What was cut off, and how it is brought to its end, in one line; undefined where the store is whole. */
export async function halfDone(metadata: MetadataStore): Promise<string | undefined> {
  if ((await readImport(metadata)) !== undefined)
    return 'an import of metadata was cut off, so that rows are missing: repeat it (sluice import)'
  const migration = await readMigration(metadata)
  if (migration !== undefined && migration.finished === undefined)
    return 'a migration into these stores was cut off, so that much is missing: repeat it (sluice migrate)'
  return undefined
}
