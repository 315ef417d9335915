/** The thread behind `piece-hashers.ts`: digests what it is pointed to, in the order of the messages. */
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import type { PieceHashes } from '../disk-io.ts'
import { leafOf } from '../merkle.ts'
import { type DigestOptions, type HashedPart, PieceDigest } from './piece-digest.ts'

/** What it is told. The bytes lie in shared memory and stay as they are until the next answer. */
export type HashOrder =
  | { readonly kind: 'begin'; readonly id: number; readonly options: DigestOptions }
  | { readonly kind: 'parts'; readonly id: number; readonly parts: readonly HashedPart[] }
  /** Answered with the hashes. */
  | { readonly kind: 'end'; readonly id: number }
  /** Answered once the thread looks at the bytes no more. */
  | { readonly kind: 'drop'; readonly id: number }
  /** Answered with the leaf, as `v2`. */
  | { readonly kind: 'leaf'; readonly bytes: Uint8Array }

/** Behind the event loop, where cores are few (a nice value, Linux). */
const NICE = 5
const NOTHING: PieceHashes = { v1: undefined, v2: undefined, leaves: undefined }

const digests = new Map<number, PieceDigest>()

/** Undefined: no answer. */
function carryOut(order: HashOrder): PieceHashes | undefined {
  if (order.kind === 'leaf') return { ...NOTHING, v2: leafOf(order.bytes) }
  if (order.kind === 'begin') {
    digests.set(order.id, new PieceDigest(order.options))
    return undefined
  }
  const digest = digests.get(order.id)!
  if (order.kind === 'parts') {
    for (const part of order.parts) digest.update(part)
    return undefined
  }
  digests.delete(order.id)
  return order.kind === 'end' ? digest.finish() : NOTHING
}

if (parentPort !== null) {
  const port = parentPort
  try {
    // Of this thread alone: only on Linux does the number 0 not mean the whole process.
    if (process.platform === 'linux') setPriority(0, NICE)
  } catch {
    // Not permitted: the work is the same.
  }
  port.on('message', (order: HashOrder) => {
    const answer = carryOut(order)
    if (answer !== undefined) port.postMessage(answer)
  })
}
