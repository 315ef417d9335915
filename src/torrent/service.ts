/** The operations of S3 that are about torrents, over an S3 that has all the others. */
import type { S3Api } from '../api/operations.ts'
import { getObjectTorrent, type TorrentOptions } from './get-object-torrent.ts'

export function createTorrentS3(api: S3Api, options: TorrentOptions): S3Api {
  return {
    GetObjectTorrent: getObjectTorrent(api, options),
  }
}
