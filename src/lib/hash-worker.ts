/**
 * The thread behind `hash-workers.ts`: digests what it is pointed to, in the order of the messages, and
 * answers each order for bytes and each end of a stream with one message.
 */
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { createDigest, digestsReady, type Algorithm, type Digest } from './digest.ts'

/** What a worker is told. The bytes lie in shared memory and stay as they are until the answer. */
export type Order =
  | { readonly kind: 'begin'; readonly stream: number; readonly algorithms: readonly Algorithm[] }
  | { readonly kind: 'bytes'; readonly stream: number; readonly bytes: Uint8Array }
  | { readonly kind: 'end'; readonly stream: number }
  /** Nobody wants to know any more. */
  | { readonly kind: 'drop'; readonly stream: number }

/** What it answers: nothing for bytes that are hashed, or the digests of a stream that ended. */
export type Answer = readonly string[] | undefined

/** Behind the event loop, where cores are few: a small request goes before a hash (nice values, Linux). */
const NICE = 5

function serve(port: NonNullable<typeof parentPort>): void {
  const streams = new Map<number, readonly Digest[]>()
  const answer = (message: Answer): void => port.postMessage(message)
  port.on('message', (order: Order) => {
    const { stream } = order
    const digests = streams.get(stream) ?? []
    if (order.kind === 'begin') {
      streams.set(stream, order.algorithms.map(createDigest))
    } else if (order.kind === 'bytes') {
      for (const digest of digests) digest.update(order.bytes)
      answer(undefined)
    } else {
      streams.delete(stream)
      if (order.kind === 'end') answer(digests.map((digest) => digest.value()))
    }
  })
}

/** Of this thread alone: only on Linux does the number 0 not mean the whole process. */
function stepBack(): void {
  if (process.platform !== 'linux') return
  try {
    setPriority(0, NICE)
  } catch {
    // Not permitted: the work is the same.
  }
}

if (parentPort !== null) {
  stepBack()
  await digestsReady
  serve(parentPort)
}
