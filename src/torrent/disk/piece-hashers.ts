/**
 * Hashing pieces beside the event loop: SHA-1 and SHA-256 of a GiB are seconds of CPU. Nothing is
 * copied: bytes lie in shared memory, and their owner leaves them as they are until they are hashed.
 */
import { availableParallelism } from 'node:os'
import { AskedThread } from '../../lib/asked-thread.ts'
import { DiskError, type PieceHashes } from '../disk-io.ts'
import type { HashOrder } from './hash-thread.ts'
import type { DigestOptions, HashedPart } from './piece-digest.ts'

/** More threads than these only wait for one another. */
const THREADS_MAX = 4
const LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 }

/** The hashes of one piece under way. It ends with `finish` or `drop`. */
export interface PieceHashing {
  /** More of it, in order. */
  update(parts: readonly HashedPart[]): void
  finish(): Promise<PieceHashes>
  /** Nobody wants to know any more; resolves once the bytes may change. */
  drop(): Promise<void>
}

type Thread = AskedThread<HashOrder, PieceHashes>

/** A few threads, each started when there is work for it. */
export class PieceHashers implements Disposable {
  readonly #countMax: number
  #threads: Thread[] = []
  #lastId = 0
  /** Digests under way, by thread. */
  readonly #load = new Map<Thread, number>()

  constructor(countMax: number = Math.max(1, Math.min(THREADS_MAX, availableParallelism() - 1))) {
    this.#countMax = countMax
  }

  begin(options: DigestOptions): PieceHashing {
    const thread = this.#idlest()
    const id = ++this.#lastId
    this.#change(thread, 1)
    thread.tell({ kind: 'begin', id, options })
    const ask = async (kind: 'end' | 'drop'): Promise<PieceHashes> => {
      try {
        return await asked(thread, { kind, id })
      } finally {
        this.#change(thread, -1)
      }
    }
    return {
      update: (parts) => thread.tell({ kind: 'parts', id, parts }),
      finish: () => ask('end'),
      drop: async () => void (await ask('drop')),
    }
  }

  /** SHA-256 of one block. */
  async leaf(bytes: Uint8Array): Promise<Uint8Array> {
    const { v2 } = await asked(this.#idlest(), { kind: 'leaf', bytes })
    return v2!
  }

  #idlest(): Thread {
    this.#threads = this.#threads.filter((thread) => !thread.hasFailed)
    const loadOf = (thread: Thread): number => this.#load.get(thread)! + thread.waiting
    if (this.#threads.length < this.#countMax && this.#threads.every((each) => loadOf(each) > 0)) {
      const made: Thread = new AskedThread(
        'thread that hashes pieces',
        new URL('hash-thread.ts', import.meta.url),
        LIMITS,
      )
      this.#threads.push(made)
      this.#load.set(made, 0)
    }
    return this.#threads.reduce((a, b) => (loadOf(b) < loadOf(a) ? b : a))
  }

  #change(thread: Thread, by: 1 | -1): void {
    const load = this.#load.get(thread)! + by
    if (load === 0 && thread.hasFailed) this.#load.delete(thread)
    else this.#load.set(thread, load)
  }

  [Symbol.dispose](): void {
    for (const thread of this.#threads) thread.stop()
    this.#threads = []
  }
}

/** What came through a message has lost its class. */
async function asked(thread: Thread, order: HashOrder): Promise<PieceHashes> {
  try {
    const { v1, v2, leaves } = await thread.ask(order)
    return { v1: v1 && bufferOf(v1), v2: v2 && bufferOf(v2), leaves: leaves && bufferOf(leaves) }
  } catch (cause) {
    throw new DiskError('a piece could not be hashed', { cause })
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
