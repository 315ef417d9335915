/** The operations of S3 that are about torrents, over an S3 that has all the others. */
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import { getObjectTorrent, type TorrentOptions } from './get-object-torrent.ts'

export function createTorrentS3(api: S3Api, options: TorrentOptions): S3Api {
  return {
    GetObjectTorrent: getObjectTorrent(api, options),
  }
}

/** Where torrents are switched off there is none of any object; suites and old clients know that as NoSuchKey. */
export const NO_TORRENTS: S3Api = {
  GetObjectTorrent: ({ Key: key = '' }) =>
    Promise.reject(
      new S3Error('NoSuchKey', { message: 'Objects have no torrents here.', fields: { Key: key } }),
    ),
}
