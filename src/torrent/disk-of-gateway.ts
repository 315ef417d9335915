/**
 * The disk of torrents in the gateway's own buckets: chunks are objects in the name of their bucket's owner,
 * and whole files are put together of them, by rows alone.
 */
import { ASSEMBLING } from '../api/access.ts'
import type { Call, Requester, S3Api } from '../api/operations.ts'
import { ChunkDisk } from './disk/chunk-disk.ts'
import { ChunkFiles } from './disk/chunk-files.ts'
import { S3ChunkStore } from './disk/s3-chunk-store.ts'
import { torrentS3 } from './disk/torrent-s3.ts'
import type { FileStore } from './file-store.ts'

export interface TorrentFiles {
  readonly disk: ChunkDisk
  readonly files: FileStore
  /** Called when a piece turns out not to be there any more. */
  onLost: (id: string, piece: number) => void
}

type OwnerOf = (bucket: string) => Promise<Requester>
type AnyHandler = (input: { readonly Bucket?: string }, call: Call) => Promise<object>

export function createTorrentDisk(api: S3Api, ownerOf: OwnerOf, budgetBytes: number): TorrentFiles {
  const call = { requestId: 'TORRENTTORRENT00', requester: undefined, access: ASSEMBLING }
  const store = new S3ChunkStore(torrentS3(asOwners(api, ownerOf)), { call, partBytesMin: 0 })
  const made: { onLost: TorrentFiles['onLost'] } = { onLost: () => undefined }
  const disk = new ChunkDisk(store, {
    budgetBytes,
    onLost: ({ id }, piece) => made.onLost(id, piece),
  })
  return Object.assign(made, { disk, files: new ChunkFiles(disk) })
}

/** An S3 in which everything is done in the name of the bucket's owner. */
function asOwners(api: S3Api, ownerOf: OwnerOf): S3Api {
  const handlers = Object.entries(api).map(([name, handler]): readonly [string, AnyHandler] => [
    name,
    async (input, call) =>
      (handler as AnyHandler)(input, { ...call, requester: await ownerOf(input.Bucket ?? '') }),
  ])
  return Object.fromEntries(handlers)
}
