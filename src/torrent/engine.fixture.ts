/**
 * For tests: an engine without a network. It knows the content of its torrents, and writes their pieces to
 * the disk in no order, those that are wanted first before others; it can be held, be slow, and send
 * wrong data.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type DiskIoBackend, type Registered } from './disk-io.ts'
import type { EngineEvents, EngineStatus, TorrentEngine, TorrentOrder } from './engine.ts'
import { isSet } from './file-progress.ts'
import { BLOCK_BYTES } from './merkle.ts'
import type { Metainfo } from './metainfo.ts'
import { readMetainfo } from './read-metainfo.ts'

/** A torrent that the fake swarm has. */
export interface Seeded {
  readonly metainfo: Metainfo
  readonly row: Uint8Array
}

interface Run {
  readonly order: TorrentOrder
  readonly ending: AbortController
  readonly have: Set<number>
  registered: Registered | undefined
  urgent: number[]
  wanted: ReadonlySet<number> | undefined
  downloaded: number
  failures: number
  problem: string | undefined
  done: Promise<void>
}

export class FakeEngine implements TorrentEngine {
  readonly name = 'fake'
  readonly port = 6881
  readonly knowsV2 = true
  readonly swarm: readonly Seeded[]
  readonly #disk: DiskIoBackend
  readonly #events: EngineEvents
  readonly #runs = new Map<string, Run>()
  /** What it was asked, in order. */
  readonly asked: string[] = []
  /** No piece but urgent ones comes. */
  isHeld = false
  /** No piece comes at all. */
  isDead = false
  /** Pieces that come wrong the first time. */
  readonly wrong: Set<number> = new Set()
  /** Pieces in the order of their coming. */
  readonly came: number[] = []
  pieceMs = 0
  uploaded = 0

  constructor(disk: DiskIoBackend, events: EngineEvents, swarm: readonly Seeded[]) {
    this.#disk = disk
    this.#events = events
    this.swarm = swarm
  }

  async add(order: TorrentOrder): Promise<void> {
    if (this.#runs.has(order.id)) throw new Error(`${order.id} is there already`)
    this.asked.push(`add ${order.id}`)
    const run: Run = {
      order,
      ending: new AbortController(),
      have: new Set(),
      registered: 'registered' in order.source ? order.source.registered : undefined,
      urgent: [],
      wanted: order.wanted && new Set(order.wanted),
      downloaded: 0,
      failures: 0,
      problem: undefined,
      done: Promise.resolve(),
    }
    this.#runs.set(order.id, run)
    run.done = this.#download(run).catch((error: unknown) => {
      if (run.ending.signal.aborted) return
      run.problem = String(error)
      this.#events.onError(order.id, error as Error)
    })
  }

  async remove(id: string): Promise<void> {
    const run = this.#runs.get(id)
    if (run === undefined) return
    this.asked.push(`remove ${id}`)
    run.ending.abort()
    this.#runs.delete(id)
    await run.done
  }

  addPeer(id: string, host: string, port: number): void {
    this.asked.push(`peer ${id} ${host}:${port}`)
  }

  setWanted(id: string, wanted: readonly number[]): void {
    this.#runs.get(id)!.wanted = new Set(wanted)
  }

  prioritise(id: string, pieces: readonly number[]): void {
    this.asked.push(`prioritise ${pieces.join(',')}`)
    this.#runs.get(id)!.urgent.push(...pieces)
  }

  relax(id: string, pieces: readonly number[]): void {
    this.asked.push(`relax ${pieces.join(',')}`)
    const run = this.#runs.get(id)!
    run.urgent = run.urgent.filter((piece) => !pieces.includes(piece))
  }

  status(id: string): EngineStatus | undefined {
    const run = this.#runs.get(id)
    if (run === undefined) return undefined
    return {
      id,
      state: run.registered === undefined ? 'metadata' : 'downloading',
      peers: this.isDead ? 0 : 1,
      seeds: 1,
      downloadRate: 1000,
      uploadRate: 10,
      downloadedBytes: run.downloaded,
      uploadedBytes: this.uploaded,
      hashFailures: run.failures,
      problem: run.problem,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#runs.keys()) await this.remove(id)
  }

  async #download(run: Run): Promise<void> {
    const { order, ending } = run
    const seeded = await this.#find(run)
    const { info } = seeded.metainfo
    if (!('registered' in order.source)) run.registered = await order.source.onInfo(info)
    const { storage, resume } = run.registered!
    for (let piece = 0; piece < info.pieceCount; piece++)
      if (isSet(resume.have, piece)) run.have.add(piece)
    while (!ending.signal.aborted) {
      const piece = this.#next(run, seeded.metainfo)
      if (piece === undefined) {
        await sleep(2)
        continue
      }
      if (this.pieceMs > 0) await sleep(this.pieceMs, undefined, { signal: ending.signal })
      await this.#fetch(run, seeded, storage, piece)
    }
  }

  async #find({ order, ending }: Run): Promise<Seeded> {
    const hashOf = ({ info }: Metainfo): string =>
      (info.hashes.v1 ?? info.hashes.v2)!.toString('hex')
    const { source } = order
    const id = 'metainfo' in source ? hashOf(readMetainfo(source.metainfo)) : order.id
    for (;;) {
      const found = this.isDead
        ? undefined
        : this.swarm.find((each) => hashOf(each.metainfo) === id)
      if (found !== undefined) return found
      await sleep(2, undefined, { signal: ending.signal })
    }
  }

  #next(run: Run, { info }: Metainfo): number | undefined {
    if (this.isDead) return undefined
    const urgent = run.urgent.find((piece) => !run.have.has(piece))
    if (urgent !== undefined || this.isHeld) return urgent
    const isWanted = (piece: number): boolean => {
      if (run.wanted === undefined) return true
      const [start, end] = [piece * info.pieceBytes, (piece + 1) * info.pieceBytes]
      return info.files.some(
        ({ offset, sizeBytes }, i) =>
          run.wanted!.has(i) && sizeBytes > 0 && offset < end && offset + sizeBytes > start,
      )
    }
    const open = Array.from({ length: info.pieceCount }, (_, piece) => piece).filter(
      (piece) => !run.have.has(piece) && isWanted(piece),
    )
    return open[Math.floor(Math.random() * open.length)]
  }

  async #fetch(
    run: Run,
    { metainfo: { info }, row }: Seeded,
    storage: number,
    piece: number,
  ): Promise<void> {
    const start = piece * info.pieceBytes
    const bytes = row.slice(start, start + info.pieceBytes)
    const isWrong = this.wrong.delete(piece)
    if (isWrong) bytes[0]! ^= 1
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
      const block = bytes.subarray(at, at + BLOCK_BYTES)
      if (this.#disk.writeChunk(storage, piece, at, block)) await this.#disk.drained()
      run.downloaded += block.length
    }
    if (isWrong) {
      run.failures++
      await this.#disk.clearPiece(storage, piece)
      return
    }
    const kinds = { v1: info.hashes.v1 !== undefined, v2: info.hashes.v2 !== undefined }
    await this.#disk.hashPieces(storage, piece, kinds)
    run.have.add(piece)
    this.came.push(piece)
    this.#events.onPiece(run.order.id, piece)
  }
}
