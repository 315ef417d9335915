/**
 * The mark of a storage that is sealed: a blob of ours, under an id of the year 1970 that no object
 * gets, sealed with the current key. With it a wrong key, or none, is found out when the storage is
 * opened, and not when somebody's bytes are read; and sealing is not switched on over blobs in clear.
 */
import { BlobDamaged } from '../src/lib/store-error.ts'
import type { SealOptions } from './sealed-keys.ts'
import type { BlobId, ObjectStorage } from './store.ts'

const TIME = '0'.repeat(10)
const TEXT = 'sealed by sluice with the key '

export function isMark(id: BlobId): boolean {
  return id.startsWith(TIME)
}

function markOf(count: number): BlobId {
  return TIME + String(count).padStart(16, '0')
}

/** Ids of the marks, the newest last; and whether there are blobs behind them. */
async function look(inner: ObjectStorage): Promise<{ marks: BlobId[]; isUsed: boolean }> {
  const marks: BlobId[] = []
  for await (const { id } of inner.list('')) {
    if (!isMark(id)) return { marks, isUsed: true }
    marks.push(id)
  }
  return { marks, isUsed: false }
}

/** Rejects, with what to do, where the storage is a sealed one: its blobs would be read as if they were in clear. */
export async function refuseSealed(inner: ObjectStorage): Promise<void> {
  if ((await look(inner)).marks.length > 0)
    throw new Error(
      'the storage is sealed: storage.seal with its keys is missing in the configuration',
    )
}

/**
 * Checks that the storage can be read with the keys, and marks a new one. `sealed` is `inner` as it is
 * read and written with them.
 */
export async function checkMark(
  inner: ObjectStorage,
  sealed: ObjectStorage,
  { keys }: SealOptions,
): Promise<void> {
  const current = keys[0]!.id
  const { marks, isUsed } = await look(inner)
  const newest = marks.at(-1)
  if (newest === undefined && isUsed)
    throw new Error('the storage holds blobs in clear: storage.seal is for a new, empty storage')
  if (newest === undefined) {
    await sealed.put(markOf(0), Buffer.from(TEXT + current))
    return
  }
  if ((await readMark(sealed, newest)) === TEXT + current) return
  await sealed.put(markOf(Number(newest.slice(TIME.length)) + 1), Buffer.from(TEXT + current))
  await sealed.delete(marks)
}

async function readMark(sealed: ObjectStorage, id: BlobId): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of await sealed.get(id)) chunks.push(Buffer.from(chunk))
  } catch (cause) {
    if (!(cause instanceof BlobDamaged)) throw cause
    throw new Error('the storage was sealed with another master key of that id, or is damaged', {
      cause,
    })
  }
  return Buffer.concat(chunks).toString()
}
