/** A disk of chunks over stores in a folder, in this process: for crash tests and for what it costs. */
import { join } from 'node:path'
import { openMetadata } from '../../metadata/open.ts'
import { ASSEMBLING } from '../../src/api/access.ts'
import { S3Error } from '../../src/api/error.ts'
import { PART_BYTES_MIN, PUT_BYTES_MAX } from '../../src/api/limits.ts'
import type { Call } from '../../src/api/operations.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { Ulids } from '../../src/lib/ulid.ts'
import { openS3 } from '../../src/s3/open.ts'
import { ChunkDisk, type ChunkDiskOptions } from '../../src/torrent/disk/chunk-disk.ts'
import { ChunkFiles } from '../../src/torrent/disk/chunk-files.ts'
import type { ChunkStore } from '../../src/torrent/disk/chunk-store.ts'
import { S3ChunkStore } from '../../src/torrent/disk/s3-chunk-store.ts'
import { torrentS3 } from '../../src/torrent/disk/torrent-s3.ts'
import { openStorage, type StorageOptions } from '../../storage/open.ts'

export const BUCKET = 'torrents'

const CALL: Call = {
  requestId: '0000000000000000',
  requester: { id: 'e2e', displayName: 'e2e' },
  access: ASSEMBLING,
  signal: new AbortController().signal,
}

export interface FolderDisk extends AsyncDisposable {
  readonly disk: ChunkDisk
  readonly files: ChunkFiles
  readonly store: ChunkStore
}

export interface FolderDiskOptions {
  readonly disk?: Partial<ChunkDiskOptions>
  readonly seal?: NonNullable<StorageOptions['seal']>
  /** What the disk is given instead of the store itself. */
  readonly between?: (store: ChunkStore) => ChunkStore
}

/** Metadata in SQLite, blobs in files, below the folder. */
export async function openFolderDisk(
  folder: string,
  { disk: options = {}, seal, between = (store) => store }: FolderDiskOptions = {},
): Promise<FolderDisk> {
  const clock = { now: () => Date.now() }
  const metadata = await openMetadata({ engine: 'sqlite', path: join(folder, 'rows') }, SILENT)
  const storage = await openStorage(
    { engine: 'fs', path: join(folder, 'blobs'), ...(seal !== undefined && { seal }) },
    SILENT,
  )
  const { api } = openS3({
    metadata,
    storage,
    clock,
    ids: new Ulids(clock),
    options: {
      region: 'us-east-1',
      inlineMaxBytes: 4096,
      putBytesMax: PUT_BYTES_MAX,
      partBytesMin: PART_BYTES_MIN,
      abandonedUploadMs: 0,
      etag: 'md5',
      compat: 'legacy',
    },
    meter: SILENT,
    policies: {
      check: () => ({ isPublic: false, opensToWriters: false }),
      lets: () => false,
    },
    people: { name: () => undefined, byEmail: () => undefined },
    sweep: { onError: () => {} },
  })
  await api.CreateBucket!({ Bucket: BUCKET }, CALL).catch((error: unknown) => {
    if (!(error instanceof S3Error && error.code === 'BucketAlreadyOwnedByYou')) throw error
  })
  const store = between(new S3ChunkStore(torrentS3(api), { call: CALL, partBytesMin: 0 }))
  const disk = new ChunkDisk(store, options)
  return {
    disk,
    files: new ChunkFiles(disk),
    store,
    async [Symbol.asyncDispose]() {
      await disk[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
      await metadata[Symbol.asyncDispose]()
    },
  }
}
