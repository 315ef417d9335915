/** What authorization wants to know, out of the rows. */
import type { Facts, ObjectFacts } from '../api/facts.ts'
import { KEY_BYTES_MAX } from '../api/limits.ts'
import { isUlid } from '../lib/ulid.ts'
import type { Context } from './context.ts'
import { lookRow, readRow, type VersionRow, versionSort } from './rows.ts'
import { Contended } from './transact.ts'
import { uploadIn } from './upload-row.ts'
import { publicId, versionOwner } from './version.ts'

/** Attempts to read a policy that is written at the same time. */
const READS_MAX = 8

export function createFacts(ctx: Context): Facts {
  return {
    bucket(name) {
      const row = ctx.buckets.read(name)
      return row instanceof Promise ? row.then(({ value }) => value) : row.value
    },

    async policy(name) {
      for (let reads = 0; reads < READS_MAX; reads++) {
        const { value } =
          reads === 0 ? await ctx.buckets.read(name) : await ctx.buckets.readFresh(name)
        const id = value.config?.['policy']
        if (id === undefined) return undefined
        const document = await ctx.configs.read(name, 'policy', id)
        if (typeof document === 'string') return [id, document]
      }
      throw new Contended(`the policy of ${name} changed all the time`)
    },

    async object(bucket, key, versionId) {
      const { value: bucketRow } = await ctx.buckets.read(bucket)
      const version = await look(ctx, bucket, key, versionId)
      if (version === undefined || version.d === 1) return undefined
      const facts: ObjectFacts = {
        owner: versionOwner(version, bucketRow)[0],
        acl: version.acl,
        tags: Object.fromEntries(version.tg ?? []),
      }
      return facts
    },

    async initiator(bucket, key, uploadId) {
      const row = await readRow(ctx.metadata, bucket, 'upload', key)
      return uploadIn(row?.value, uploadId)?.by[0]
    },
  }
}

/** The version of that id (none: the newest), without its bytes; undefined where there is none, or where the text is no id. */
async function look(
  ctx: Context,
  bucket: string,
  key: string,
  versionId: string | undefined,
): Promise<VersionRow | undefined> {
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) return undefined
  const head = (await lookRow(ctx.metadata, bucket, 'object', key))?.value
  if (head === undefined || versionId === undefined || versionId === publicId(head)) return head
  const q = versionId === 'null' ? head.nq : versionId
  if (q === undefined || !isUlid(q)) return undefined
  const older = (await lookRow(ctx.metadata, bucket, 'version', versionSort(key, q)))?.value
  return older !== undefined && publicId(older) === versionId ? older : undefined
}
