/**
 * That an import is under way: one row of the root partition (table `page`, sort `import`), which is
 * there before anything else changes and goes when everything is done. A gateway does not start over
 * it: rows that are still missing would make it take blobs for waste.
 */
import type { Json, MetadataStore } from '../../metadata/store.ts'
import { ROOT } from '../s3/rows.ts'

export type ImportState = {
  /** Digest of the stream. */
  readonly sha256: string
  readonly mode: 'fresh' | 'merge' | 'replace'
  /** Epoch ms. */
  readonly begun: number
}

export const IMPORT_SORT = 'import'

/** The import that is under way, or was cut off. */
export async function readImport(metadata: MetadataStore): Promise<ImportState | undefined> {
  return (await metadata.get(ROOT, 'page', IMPORT_SORT))?.value as ImportState | undefined
}

/** Null: it is done. */
export async function writeImport(
  metadata: MetadataStore,
  state: ImportState | null,
): Promise<void> {
  const value: Json = state
  const writes = [{ table: 'page' as const, sort: IMPORT_SORT, value }]
  await metadata.commit({ partition: ROOT, expects: [], writes })
}
