/**
 * The torrents that a disk knows now, by their index. An index is never given twice, so that a call that
 * comes late can only miss.
 */
import { DiskError, type DiskTorrent, type StorageIndex } from '../disk-io.ts'

export class Registry<T> {
  readonly #torrents = new Map<StorageIndex, T>()
  readonly #names = new Map<string, StorageIndex>()
  #last = 0

  /** Takes the name of the torrent; DiskError where it is registered, or still on its way out. */
  reserve(torrent: Pick<DiskTorrent, 'id' | 'place'>): StorageIndex {
    const name = nameOf(torrent)
    if (this.#names.has(name))
      throw new DiskError(`torrent ${torrent.id} is registered already at ${placeOf(torrent)}`)
    const storage = ++this.#last
    this.#names.set(name, storage)
    return storage
  }

  set(storage: StorageIndex, known: T): void {
    this.#torrents.set(storage, known)
  }

  /** RangeError where there is none. */
  get(storage: StorageIndex): T {
    const known = this.#torrents.get(storage)
    if (known === undefined) throw new RangeError(`no torrent is registered as ${storage}`)
    return known
  }

  has(torrent: Pick<DiskTorrent, 'id' | 'place'>): boolean {
    return this.#names.has(nameOf(torrent))
  }

  /** The index is of no use any more; the name stays taken until `release`. */
  hide(storage: StorageIndex): void {
    this.#torrents.delete(storage)
  }

  release(torrent: Pick<DiskTorrent, 'id' | 'place'>): void {
    const name = nameOf(torrent)
    const storage = this.#names.get(name)
    this.#names.delete(name)
    if (storage !== undefined) this.#torrents.delete(storage)
  }

  entries(): readonly (readonly [StorageIndex, T])[] {
    return [...this.#torrents]
  }
}

/** Of a torrent at its place. */
export function nameOf({ id, place }: Pick<DiskTorrent, 'id' | 'place'>): string {
  return `${place.bucket}\n${place.prefix}\n${id}`
}

function placeOf({ place }: Pick<DiskTorrent, 'place'>): string {
  return `s3://${place.bucket}/${place.prefix}`
}
