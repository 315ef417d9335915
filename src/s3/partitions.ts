/**
 * All partitions that may hold rows: for whoever goes over a whole store (scrub, migrate, export), since
 * a metadata store cannot list its partitions. `root.ts` and `shares` of `rows.ts` say which there are.
 */
import type { MetadataStore } from '../../metadata/store.ts'
import { enteredPartitions, readTrace, tracedPartitions } from './root.ts'
import { ROOT, shares } from './rows.ts'

/** The characters of a blob id (ULID). */
const BASE32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/**
 * ROOT, then every partition of a bucket (or of remains of one), then the 1024 of shares, empty ones
 * too. Each comes once, and the order of two runs over the same rows is the same. Rows of ROOT must not
 * change meanwhile.
 */
export async function* allPartitions(
  metadata: MetadataStore,
): AsyncGenerator<string, void, undefined> {
  yield ROOT
  yield* eachBucketPartition(metadata)
  yield* sharePartitions()
}

/** Every partition of a bucket, or of remains of one, once. */
export async function* eachBucketPartition(
  metadata: MetadataStore,
): AsyncGenerator<string, void, undefined> {
  yield* tracedPartitions(metadata)
  for await (const name of enteredPartitions(metadata)) {
    if ((await readTrace(metadata, name)) === undefined) yield name
  }
}

/** The partitions that hold share rows. */
export function* sharePartitions(): Generator<string, void, undefined> {
  for (const high of BASE32) for (const low of BASE32) yield shares(high + low)
}
