/** The thread of a ThreadRowHasher: each order is carried out and answered, in their order. */
import { parentPort, workerData } from 'node:worker_threads'
import {
  type HashAnswer,
  type HashOrder,
  LocalRowHasher,
  type RowHasherOptions,
} from './row-hasher.ts'

const hasher = new LocalRowHasher(workerData as RowHasherOptions)

async function carryOut(order: HashOrder): Promise<HashAnswer> {
  if (order.kind === 'file') return hasher.endFile(order.padBytes)
  if (order.kind === 'finish') return hasher.finish()
  hasher.update(order.bytes)
  return undefined
}

let last: Promise<void> = Promise.resolve()
parentPort!.on('message', (order: HashOrder) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  last = last.then(async () => parentPort!.postMessage(await carryOut(order)))
})
