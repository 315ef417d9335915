/** Which keys of which buckets are files of torrents: asked at every read, so nothing is made for an answer. */
import type { HeldFile, HeldTorrent } from './held-torrent.ts'

export class HeldKeys {
  readonly #buckets = new Map<string, Map<string, HeldFile>>()

  find(bucket: string, key: string): HeldFile | undefined {
    return this.#buckets.get(bucket)?.get(key)
  }

  /** All files of a torrent that are wanted. A key that is another torrent's stays its. */
  add(torrent: HeldTorrent): void {
    const { metainfo, keys } = torrent.contents!
    const { bucket } = torrent.record
    const files = this.#buckets.get(bucket) ?? new Map<string, HeldFile>()
    this.#buckets.set(bucket, files)
    for (const index of torrent.wanted) {
      const key = keys[index]!
      if (files.has(key)) continue
      files.set(key, { torrent, index, key, sizeBytes: metainfo.info.files[index]!.sizeBytes })
    }
  }

  remove(torrent: HeldTorrent): void {
    const files = this.#buckets.get(torrent.record.bucket)
    if (files === undefined) return
    for (const key of torrent.contents?.keys ?? [])
      if (key !== undefined && files.get(key)?.torrent === torrent) files.delete(key)
    if (files.size === 0) this.#buckets.delete(torrent.record.bucket)
  }
}
