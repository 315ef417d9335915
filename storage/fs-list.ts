/**
 * The blobs of an `fs` storage, ascending by id, in memory bounded by the largest of the inner
 * directories (what was put in 33 seconds). Blobs there from beginning to end are listed once; of
 * those that come or go meanwhile some are.
 */
import { isUlid } from '../src/lib/ulid.ts'
import { errno, namesIn, statOf } from './fs-calls.ts'
import { INNER_CHARACTERS, OUTER_CHARACTERS, type FsLayout } from './fs-layout.ts'
import type { BlobId, BlobInfo } from './store.ts'

/** Sizes asked for at the same time. */
const STATS_AT_ONCE = 64

export async function* listBlobs(layout: FsLayout, after: BlobId): AsyncGenerator<BlobInfo> {
  for (const outer of await directoriesIn(layout.blobs, OUTER_CHARACTERS)) {
    if (outer < after.slice(0, OUTER_CHARACTERS)) continue
    const above = `${layout.blobs}/${outer}`
    for (const inner of await directoriesIn(above, INNER_CHARACTERS)) {
      const prefix = outer + inner
      if (prefix < after.slice(0, prefix.length)) continue
      yield* blobsIn(`${above}/${inner}`, prefix, after)
    }
  }
}

/** Names of so many characters, ascending: what else may lie there is none of ours. */
async function directoriesIn(directory: string, characters: number): Promise<string[]> {
  const names = await namesOrNone(directory)
  return names.filter((name) => name.length === characters).toSorted()
}

async function* blobsIn(
  directory: string,
  prefix: string,
  after: BlobId,
): AsyncGenerator<BlobInfo> {
  const ids = (await namesOrNone(directory))
    .filter((name) => isUlid(name) && name.startsWith(prefix) && name > after)
    .toSorted()
  for (let at = 0; at < ids.length; at += STATS_AT_ONCE) {
    const some = ids.slice(at, at + STATS_AT_ONCE)
    for (const blob of await Promise.all(some.map((id) => infoOf(directory, id)))) {
      if (blob !== undefined) yield blob
    }
  }
}

/** A directory may be removed while we are on our way to it. */
async function namesOrNone(directory: string): Promise<string[]> {
  try {
    return await namesIn(directory)
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return []
    throw error
  }
}

async function infoOf(directory: string, id: BlobId): Promise<BlobInfo | undefined> {
  try {
    return { id, size: (await statOf(`${directory}/${id}`)).size }
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
    throw error
  }
}
