/** Whether the engines answer: what /readyz tells a load balancer. */
import type { MetadataStore } from '../metadata/store.ts'
import type { ObjectStorage } from '../storage/store.ts'
import { ROOT } from './s3/rows.ts'

/** An engine that takes longer is not ready. */
const TIMEOUT_MS = 2000

/** Asks both engines for something small; the answers are `ok` or what went wrong. Never rejects. */
export async function readiness(
  metadata: MetadataStore,
  storage: ObjectStorage,
): Promise<Readonly<Record<string, string>>> {
  const [rows, blobs] = await Promise.all([
    outcome(metadata.get(ROOT, 'bucket', '?ready')),
    outcome(firstOf(storage)),
  ])
  return { metadata: rows, storage: blobs }
}

async function firstOf(storage: ObjectStorage): Promise<void> {
  for await (const _blob of storage.list('')) return
}

async function outcome(answer: Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${TIMEOUT_MS} ms`), TIMEOUT_MS)
  })
  // The class of the error alone: its message may tell strangers of paths and hosts.
  const asked = answer.then(
    () => 'ok',
    (error: unknown) => (error instanceof Error ? error.name : 'failed'),
  )
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}
