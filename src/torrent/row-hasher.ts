/**
 * Hashing the files of a torrent in their order, in this thread or in one of its own: hashing a GiB
 * takes a second of CPU, in which a gateway has other things to do.
 */
import { Worker } from 'node:worker_threads'
import { type FileHashes, FileTree, PieceSha1 } from './piece-hashes.ts'

export interface RowHasherOptions {
  readonly pieceBytes: number
  /** Version 1 wants SHA-1 of the pieces. */
  readonly hashesPieces: boolean
  /** Version 2 wants the tree of each file. */
  readonly hashesTrees: boolean
}

/** Takes the bytes of files one after the other. Calls do not overlap. */
export interface RowHasher extends Disposable {
  /** More of the file; the bytes are the caller's again once it resolves. */
  update(bytes: Uint8Array): Promise<void> | void
  /** The file ends here, and so many zeros follow it. Without trees, its hashes are undefined. */
  endFile(padBytes: number): Promise<FileHashes>
  /** SHA-1 of all pieces, 20 bytes each; empty where they are not hashed. */
  finish(): Promise<Buffer>
}

/** Hashes where it is called. */
export class LocalRowHasher implements RowHasher {
  readonly #pieces: PieceSha1 | undefined
  readonly #options: RowHasherOptions
  #tree: FileTree | undefined

  constructor(options: RowHasherOptions) {
    this.#options = options
    this.#pieces = options.hashesPieces ? new PieceSha1(options.pieceBytes) : undefined
    this.#begin()
  }

  update(bytes: Uint8Array): void {
    this.#pieces?.update(bytes)
    this.#tree?.update(bytes)
  }

  async endFile(padBytes: number): Promise<FileHashes> {
    const hashes = this.#tree?.finish() ?? { root: undefined, layer: undefined }
    this.#pieces?.pad(padBytes)
    this.#begin()
    return hashes
  }

  async finish(): Promise<Buffer> {
    return this.#pieces?.finish() ?? Buffer.alloc(0)
  }

  #begin(): void {
    this.#tree = this.#options.hashesTrees ? new FileTree(this.#options.pieceBytes) : undefined
  }

  [Symbol.dispose](): void {}
}

export type HashOrder =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly padBytes: number }
  | { readonly kind: 'finish' }

export type HashAnswer = FileHashes | Uint8Array | undefined

/** Orders that the thread has not answered yet; more would only fill memory. */
const UNANSWERED_MAX = 4

/** Hashes in a thread of its own, which ends with `dispose`. */
export class ThreadRowHasher implements RowHasher {
  readonly #worker: Worker
  /** In the order of the orders. */
  readonly #waiting: PromiseWithResolvers<HashAnswer>[] = []
  #failure: Error | undefined

  constructor(options: RowHasherOptions) {
    this.#worker = new Worker(new URL('row-hasher-thread.ts', import.meta.url), {
      workerData: options,
    })
    this.#worker.on('message', (answer: HashAnswer) => this.#waiting.shift()?.resolve(answer))
    this.#worker.on('error', (cause) => this.#fail(new Error('hashing failed', { cause })))
    this.#worker.on('exit', () => this.#fail(new Error('the hashing thread has ended')))
  }

  async update(bytes: Uint8Array): Promise<void> {
    const copy = Uint8Array.from(bytes)
    const done = this.#ask({ kind: 'bytes', bytes: copy }, [copy.buffer])
    // A failure reaches whoever waits next, too.
    done.catch(() => {})
    if (this.#waiting.length >= UNANSWERED_MAX) await this.#waiting[0]!.promise
  }

  async endFile(padBytes: number): Promise<FileHashes> {
    const { root, layer } = (await this.#ask({ kind: 'file', padBytes })) as FileHashes
    return { root: bufferOf(root), layer: bufferOf(layer) }
  }

  async finish(): Promise<Buffer> {
    return bufferOf((await this.#ask({ kind: 'finish' })) as Uint8Array)!
  }

  #ask(order: HashOrder, transfer: readonly ArrayBuffer[] = []): Promise<HashAnswer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const waiting = Promise.withResolvers<HashAnswer>()
    this.#waiting.push(waiting)
    this.#worker.postMessage(order, [...transfer])
    return waiting.promise
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
  }

  [Symbol.dispose](): void {
    this.#fail(new Error('the hashing was given up'))
    void this.#worker.terminate()
  }
}

/** What came through a message has lost its class. */
function bufferOf(bytes: Uint8Array | undefined): Buffer | undefined {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
