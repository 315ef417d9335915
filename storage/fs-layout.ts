/**
 * Where the `fs` engine keeps what.
 *
 *     sluice-storage.json             says whose directory this is, and in which format
 *     tmp/<id>.<host>.<pid>           blobs being written
 *     blobs/01JDQ/8M/01JDQ8M3…        blobs: by the first five characters of the id, then the next two
 *
 * An id begins with its time, so a directory holds what was written in the same 33 seconds, and one
 * above it 9 hours (1024 directories). Blobs put at the same time meet in one directory and share
 * its fsync; `list` ascends by reading one directory after the other, in memory bounded by what a
 * disk takes in 33 seconds; old directories empty and go as their blobs do. (A fan-out by the random
 * tail would spread the fsyncs, and `list` would have to sort all names there are.)
 */
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isUlid } from '../src/lib/ulid.ts'
import type { BlobId } from './store.ts'

export const MARKER_NAME = 'sluice-storage.json'
export const OUTER_CHARACTERS = 5
export const INNER_CHARACTERS = 2

export class FsLayout {
  readonly root: string
  readonly marker: string
  readonly blobs: string
  readonly tmp: string

  constructor(root: string) {
    this.root = root
    this.marker = join(root, MARKER_NAME)
    this.blobs = join(root, 'blobs')
    this.tmp = join(root, 'tmp')
  }

  /** The directory of the blob; of ids with the same first seven characters the same. */
  directoryOf(id: BlobId): string {
    const inner = id.slice(OUTER_CHARACTERS, OUTER_CHARACTERS + INNER_CHARACTERS)
    return `${this.blobs}/${id.slice(0, OUTER_CHARACTERS)}/${inner}`
  }

  pathOf(id: BlobId): string {
    return `${this.directoryOf(id)}/${id}`
  }

  /** Where this process writes the blob. An id is put once, so the name is free. */
  temporaryOf(id: BlobId): string {
    return `${this.tmp}/${id}.${HOST}.${process.pid}`
  }
}

/** Tells hosts (and containers) apart that share a directory; a pid means something on its own host only. */
export const HOST: string = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)

export interface TemporaryName {
  readonly host: string
  readonly pid: number
}

/** Reads the name of a blob being written; undefined for a file that is none of ours. */
export function parseTemporary(name: string): TemporaryName | undefined {
  const [id = '', host = '', pid = '', ...rest] = name.split('.')
  const isOurs =
    isUlid(id) && /^[0-9a-f]{8}$/.test(host) && /^[1-9]\d{0,9}$/.test(pid) && rest.length === 0
  return isOurs ? { host, pid: Number(pid) } : undefined
}
