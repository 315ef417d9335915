/** Whole files become objects, a few at a time. */
import { payloadOf } from '../api/payload-of.ts'
import type { ObjectPlace } from './file-store.ts'
import type { HeldTorrent } from './held-torrent.ts'
import { callFor, type SessionParts } from './session-parts.ts'

/** Files that become objects at the same time. */
const AT_ONCE = 2

interface Order {
  readonly torrent: HeldTorrent
  readonly file: number
}

export class Assembly {
  readonly #parts: SessionParts
  readonly #onKept: (torrent: HeldTorrent) => void
  readonly #queue: Order[] = []
  /** Files that are queued or under way, and what to await of those. */
  readonly #asked = new Map<HeldTorrent, Set<number>>()
  readonly #underWay = new Map<HeldTorrent, Set<Promise<void>>>()
  #count = 0

  /** `onKept` is called after each file. */
  constructor(parts: SessionParts, onKept: (torrent: HeldTorrent) => void) {
    this.#parts = parts
    this.#onKept = onKept
  }

  /** A file is whole. Should it fail, the torrent's turn is interrupted; its next one finds the file again. */
  ask(torrent: HeldTorrent, file: number): void {
    const asked = this.#asked.get(torrent) ?? new Set<number>()
    if (asked.has(file)) return
    asked.add(file)
    this.#asked.set(torrent, asked)
    this.#queue.push({ torrent, file })
    this.#next()
  }

  /** Resolves once nothing of a torrent that has ended is under way. */
  async idle(torrent: HeldTorrent): Promise<void> {
    const running = this.#underWay.get(torrent)
    if (running !== undefined) await Promise.all(running)
  }

  #next(): void {
    while (this.#count < AT_ONCE) {
      const order = this.#queue.shift()
      if (order === undefined) return
      this.#count++
      const { torrent } = order
      const running = this.#underWay.get(torrent) ?? new Set<Promise<void>>()
      this.#underWay.set(torrent, running)
      const work = this.#carryOut(order).finally(() => {
        this.#count--
        running.delete(work)
        if (running.size === 0) this.#underWay.delete(torrent)
        this.#next()
      })
      running.add(work)
    }
  }

  async #carryOut({ torrent, file }: Order): Promise<void> {
    const asked = this.#asked.get(torrent)!
    try {
      if (torrent.ending.signal.aborted) return
      torrent.keep(file, await this.#assemble(torrent, file))
    } catch (error) {
      torrent.interrupt(error)
      return
    } finally {
      asked.delete(file)
      if (asked.size === 0) this.#asked.delete(torrent)
    }
    this.#onKept(torrent)
  }

  async #assemble(torrent: HeldTorrent, file: number): Promise<string> {
    const { metainfo, keys } = torrent.contents!
    const { id, bucket } = torrent.record
    const place = { bucket, key: keys[file]! }
    const isEmpty = metainfo.info.files[file]!.sizeBytes === 0
    const etag = isEmpty
      ? await this.#putEmpty(place)
      : await this.#parts.files.assemble(torrent.storage!, file, place)
    this.#parts.log.info('torrent file finished', { torrent: id, bucket, key: place.key })
    return etag
  }

  async #putEmpty({ bucket, key }: ObjectPlace): Promise<string> {
    const input = { Bucket: bucket, Key: key, Body: payloadOf(new Uint8Array(0)) }
    const call = await callFor(this.#parts, bucket)
    const { ETag: etag = '' } = await this.#parts.api.PutObject!(input, call)
    return etag
  }
}
