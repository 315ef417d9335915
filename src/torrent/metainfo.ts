/**
 * What a .torrent file says (BEP 3, BEP 47 pad files and attributes, BEP 52 version 2 and hybrids),
 * checked: whoever has a `Metainfo` may rely on sizes, offsets and hashes that fit together, and on names
 * that stay below the torrent's own folder.
 */
import type { InfoFile } from './info-files.ts'

/** Why a torrent is refused; the message says what to look for. */
export class TorrentError extends Error {
  override readonly name: string = 'TorrentError'
}

/** One of them may be absent; a hybrid has both. */
export interface InfoHashes {
  /** SHA-1 of the info dictionary, 20 bytes. */
  readonly v1?: Buffer
  /** SHA-256 of it, 32 bytes. */
  readonly v2?: Buffer
}

/** What the info dictionary says: it is what the info hash names, and all that peers exchange. */
export interface Info {
  readonly name: string
  readonly hashes: InfoHashes
  readonly pieceBytes: number
  /** In the order of the torrent, pad files among them. Offsets count in one row of bytes that pieces cut. */
  readonly files: readonly InfoFile[]
  /** Of that row: where the last file ends. */
  readonly totalBytes: number
  readonly pieceCount: number
  /** Whether files stand in a folder of the torrent's name. */
  readonly isFolder: boolean
  /** v1: SHA-1 of each piece, 20 bytes each. */
  readonly pieces: Uint8Array | undefined
  readonly isPrivate: boolean
  /** The dictionary as it was written. */
  readonly encoded: Uint8Array
}

export interface Metainfo {
  readonly info: Info
  /** v2: hashes of the pieces of each file that is longer than a piece, by its root in hex. */
  readonly pieceLayers: ReadonlyMap<string, Uint8Array>
  /** Tiers of announce URLs (BEP 12). */
  readonly trackers: readonly (readonly string[])[]
  /** Web seeds (BEP 19). */
  readonly webSeeds: readonly string[]
  readonly comment: string | undefined
  readonly createdBy: string | undefined
  /** Epoch milliseconds. */
  readonly createdAt: number | undefined
}
