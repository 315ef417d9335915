/** Which key of a bucket is which blob: the prefix of the storage, and the id behind it. */
import { isUlid } from '../src/lib/ulid.ts'
import type { BlobId } from './store.ts'

export class BlobKeys {
  /** Before each id, so that several storages share a bucket: `gateway-1/`. */
  readonly prefix: string

  constructor(prefix: string | undefined) {
    this.prefix = prefix ?? ''
  }

  keyOf(id: BlobId): string {
    return this.prefix + id
  }

  /** The blob of a key; undefined for keys of others. */
  idOf(key: string): BlobId | undefined {
    const id = key.slice(this.prefix.length)
    return key.startsWith(this.prefix) && isUlid(id) ? id : undefined
  }
}
