/**
 * The thread behind `hash-workers.ts`: digests what it is pointed to, in the order of the messages.
 *
 * The bytes lie in memory shared with the other side, in slabs; a slab is the worker's from the
 * message that names it until the answer that names it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { createDigest, digestsReady, type Algorithm, type Digest } from './digest.ts'

export interface WorkerMemory {
  readonly memory: SharedArrayBuffer
  readonly slabBytes: number
}

/** What a worker is told. */
export type Order =
  | { readonly kind: 'begin'; readonly stream: number; readonly algorithms: readonly Algorithm[] }
  | {
      readonly kind: 'bytes'
      readonly stream: number
      readonly slab: number
      readonly size: number
    }
  | { readonly kind: 'end'; readonly stream: number }
  /** Nobody wants to know any more. */
  | { readonly kind: 'drop'; readonly stream: number }

/** What it answers: a slab that is free again, or the digests of a stream. */
export type Answer =
  | { readonly kind: 'free'; readonly slab: number }
  | { readonly kind: 'values'; readonly stream: number; readonly values: readonly string[] }

function serve(port: NonNullable<typeof parentPort>, { memory, slabBytes }: WorkerMemory): void {
  const streams = new Map<number, readonly Digest[]>()
  const answer = (message: Answer): void => port.postMessage(message)
  port.on('message', (order: Order) => {
    const { stream } = order
    const digests = streams.get(stream) ?? []
    if (order.kind === 'begin') {
      streams.set(stream, order.algorithms.map(createDigest))
    } else if (order.kind === 'bytes') {
      const bytes = new Uint8Array(memory, order.slab * slabBytes, order.size)
      for (const digest of digests) digest.update(bytes)
      answer({ kind: 'free', slab: order.slab })
    } else {
      streams.delete(stream)
      if (order.kind === 'end') {
        answer({ kind: 'values', stream, values: digests.map((digest) => digest.value()) })
      }
    }
  })
}

if (parentPort !== null) {
  await digestsReady
  serve(parentPort, workerData as WorkerMemory)
}
