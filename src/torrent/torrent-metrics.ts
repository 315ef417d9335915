/** Torrents in numbers. */
import type { Meter } from '../lib/meter.ts'
import type { DiskIoBackend, DiskStats } from './disk-io.ts'
import type { TorrentState, TorrentStatus } from './held-torrent.ts'
import type { TorrentSession } from './session.ts'

const STATES: readonly TorrentState[] = [
  'metadata',
  'checking',
  'downloading',
  'seeding',
  'finished',
  'waiting',
  'error',
]

const OF_TORRENTS: readonly (readonly [name: string, help: string, of: keyof TorrentStatus])[] = [
  ['sluice_torrent_peers', 'Peers of all torrents.', 'peers'],
  ['sluice_torrent_pieces', 'Verified pieces of all torrents.', 'pieces'],
  ['sluice_torrent_bytes', 'Bytes of wanted files that are there.', 'haveBytes'],
  ['sluice_torrent_wanted_bytes', 'Bytes of wanted files.', 'sizeBytes'],
  [
    'sluice_torrent_downloaded_bytes',
    'Payload from peers, of the torrents there are.',
    'downloadedBytes',
  ],
  [
    'sluice_torrent_uploaded_bytes',
    'Payload to peers, of the torrents there are.',
    'uploadedBytes',
  ],
  ['sluice_torrent_download_rate', 'Bytes a second from peers.', 'downloadRate'],
  ['sluice_torrent_upload_rate', 'Bytes a second to peers.', 'uploadRate'],
  ['sluice_torrent_hash_failures', 'Pieces that failed their hash.', 'hashFailures'],
]

const OF_DISK: readonly (readonly [name: string, help: string, of: keyof DiskStats])[] = [
  [
    'sluice_torrent_disk_read_bytes',
    'Bytes read from the disk of torrents since the start.',
    'readBytes',
  ],
  ['sluice_torrent_disk_written_bytes', 'Bytes written to it since the start.', 'writtenBytes'],
  ['sluice_torrent_disk_dirty_bytes', 'Bytes that are not stored yet.', 'dirtyBytesNow'],
  ['sluice_torrent_disk_cached_bytes', 'Bytes kept for reading.', 'readCacheBytesNow'],
  ['sluice_torrent_disk_cache_hits', 'Reads answered from memory since the start.', 'cacheHits'],
  ['sluice_torrent_disk_cache_misses', 'Reads that were not.', 'cacheMisses'],
  [
    'sluice_torrent_disk_back_pressure_ms',
    'Milliseconds in which peers had to wait.',
    'backPressureMs',
  ],
  ['sluice_torrent_disk_puts', 'Objects that the disk has written.', 'upstreamPuts'],
  ['sluice_torrent_disk_put_bytes', 'Bytes of them.', 'upstreamPutBytes'],
  ['sluice_torrent_disk_dedup_bytes', 'Bytes that were there already.', 'dedupBytes'],
]

export function measureTorrents(meter: Meter, session: TorrentSession, disk: DiskIoBackend): void {
  for (const state of STATES)
    meter.gauge(
      'sluice_torrents',
      'Torrents by what they do.',
      () => session.list().filter((each) => each.state === state).length,
      { state },
    )
  for (const [name, help, of] of OF_TORRENTS)
    meter.gauge(name, help, () =>
      session.list().reduce((sum, status) => sum + Number(status[of]), 0),
    )
  for (const [name, help, of] of OF_DISK) meter.gauge(name, help, () => disk.stats()[of])
}
