/** S3's operations over given stores, in this process and without HTTP; and rows of objects as PutObject writes them. */
import type { MetadataStore, Write } from '../../metadata/store.ts'
import { UNRESTRICTED } from '../../src/api/access.ts'
import type { Call, S3Api } from '../../src/api/operations.ts'
import { payloadOf } from '../../src/api/payload-of.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { Ulids } from '../../src/lib/ulid.ts'
import { openS3 } from '../../src/s3/open.ts'
import type { ObjectStorage } from '../../storage/store.ts'

export const CALL: Call = {
  requestId: '0000000000000000',
  requester: { id: 'bench', displayName: 'bench' },
  access: UNRESTRICTED,
  signal: new AbortController().signal,
}

export function apiOf(metadata: MetadataStore, storage: ObjectStorage): S3Api {
  const clock = { now: () => Date.now() }
  const options = {
    region: 'us-east-1',
    inlineMaxBytes: 4096,
    putBytesMax: 5 * 1024 ** 3,
    partBytesMin: 0,
    abandonedUploadMs: 0,
    etag: 'md5' as const,
    compat: 'legacy' as const,
  }
  return openS3({
    metadata,
    storage,
    clock,
    ids: new Ulids(clock),
    options,
    meter: SILENT,
    policies: { check: () => ({ isPublic: false, opensToWriters: false }), lets: () => false },
    people: { name: () => undefined, byEmail: () => undefined },
    sweep: { onError: () => {} },
  }).api
}

const WRITES_PER_COMMIT = 50
const COMMITS_AT_ONCE = 8

/** Makes a bucket of empty objects with those keys: one is put, and its row is written for the others. */
export async function fillBucket(
  metadata: MetadataStore,
  api: S3Api,
  bucket: string,
  count: number,
  keyOf: (i: number) => string,
): Promise<void> {
  await api.CreateBucket!({ Bucket: bucket }, CALL)
  const first = { Bucket: bucket, Key: keyOf(0), Body: payloadOf(new Uint8Array(0)) }
  await api.PutObject!(first, CALL)
  const row = await metadata.get(bucket, 'object', keyOf(0))
  if (row === undefined) throw new Error('no row was put')
  let next = 1
  const worker = async (): Promise<void> => {
    while (next < count) {
      const writes: Write[] = []
      for (; next < count && writes.length < WRITES_PER_COMMIT; next++)
        writes.push({ table: 'object', sort: keyOf(next), value: row.value })
      await metadata.commit({ partition: bucket, expects: [], writes })
    }
  }
  await Promise.all(Array.from({ length: COMMITS_AT_ONCE }, worker))
}
