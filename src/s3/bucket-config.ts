/**
 * The documents of a bucket's configuration: policy, CORS, lifecycle and the like, each a row of its
 * own in the bucket's partition.
 *
 * The bucket's row names each document by an id that is new at every write. A reader therefore learns
 * from the (cached) bucket's row that a document is there at all, and keeps what it made of the
 * document for as long as the id stays. Whoever writes a document writes the bucket's row in the same
 * commit, so a write that relies on the row relies on all of its configuration.
 *
 * A kind of which a bucket has several (inventories, metrics, ...) has an id behind its name.
 */
import type { Json } from '../../metadata/store.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import type { Context } from './context.ts'
import { type BucketRow, type ConfigKind, readRow, scanRows } from './rows.ts'
import { transact } from './transact.ts'
import type { Mutable } from './version.ts'

/** Documents kept as they were read; the oldest goes first. */
const CACHED_MAX = 1000
/** Attempts to read a document that is written at the same time. */
const READS_MAX = 8

/** What a document is called among its bucket's. */
export function configSort(kind: ConfigKind, id?: string): string {
  return id === undefined ? kind : `${kind}.${id}`
}

/** The document, as parsed JSON; undefined where the bucket has none. Rejects with NoSuchBucket. */
export async function readConfig(
  ctx: Context,
  name: string,
  kind: ConfigKind,
  id?: string,
): Promise<Json | undefined> {
  const sort = configSort(kind, id)
  let { value: bucket } = await ctx.buckets.read(name)
  for (let reads = 0; reads < READS_MAX; reads++) {
    const token = bucket.config?.[sort]
    if (token === undefined) return undefined
    const document = await ctx.configs.read(name, sort, token)
    if (document !== undefined) return document
    bucket = (await ctx.buckets.readFresh(name)).value
  }
  return undefined
}

/** All documents of a kind of which a bucket has several, by id, in the order of their ids. */
export async function listConfigs(
  ctx: Context,
  name: string,
  kind: ConfigKind,
): Promise<readonly (readonly [id: string, document: Json])[]> {
  const { config = {} } = (await ctx.buckets.readFresh(name)).value
  const range = { from: `${kind}.`, to: `${kind}/`, limit: 1000 }
  const rows = await scanRows(ctx.metadata, name, 'config', range)
  return rows
    .filter(({ sort }) => config[sort] !== undefined)
    .map(({ sort, value }) => [sort.slice(kind.length + 1), value.document] as const)
}

/**
 * Writes a document (null: removes it; of one that is not there, nothing). `check` sees the bucket as
 * the commit will find it, may refuse by throwing, and may give what else of the row is to change. Rejects with NoSuchBucket.
 */
export async function writeConfig(
  ctx: Context,
  name: string,
  sort: string,
  document: Json,
  check: (bucket: BucketRow) => BucketRow | void,
): Promise<void> {
  await transact(ctx.metadata, name, async (tx) => {
    const found = await ctx.buckets.toChange(tx, name)
    const bucket = check(found) ?? found
    const { [sort]: before, ...others } = bucket.config ?? {}
    if (document === null && before === undefined) return
    const { config: _config, ...rest } = bucket
    const updated: Mutable<BucketRow> = rest
    if (document === null) {
      tx.delete('config', sort)
      if (Object.keys(others).length > 0) updated.config = others
    } else {
      tx.put('config', sort, { t: ctx.clock.now(), document })
      updated.config = { ...others, [sort]: ctx.ids.next() }
    }
    tx.put('bucket', '', updated)
  })
  ctx.buckets.forget(name)
}

/** Documents as they were last read, each under the id that its bucket's row gives it. */
export class Configs {
  readonly #metadata: Context['metadata']
  readonly #cached = new BoundedMap<Json>(CACHED_MAX)

  constructor(metadata: Context['metadata']) {
    this.#metadata = metadata
  }

  /** The document of that id; undefined where it has been replaced since (read the bucket's row again). */
  async read(bucket: string, sort: string, token: string): Promise<Json | undefined> {
    const cached = this.#cached.get(token)
    if (cached !== undefined) return cached
    const row = await readRow(this.#metadata, bucket, 'config', sort)
    // The id that the bucket's row has now is the one of what was read only if it has not changed.
    const now = (await readRow(this.#metadata, bucket, 'bucket', ''))?.value.config?.[sort]
    if (row === undefined || now !== token) return undefined
    this.#cached.set(token, row.value.document)
    return row.value.document
  }
}
