/** What a store (of rows or of blobs) may say when it cannot do its work; S3's words are elsewhere. */

/** It cannot answer now; the same call may go through later. */
export class StoreUnavailable extends Error {
  override readonly name: string = 'StoreUnavailable'
}

/** There is no room for what was to be written; nothing of it remains. */
export class StoreFull extends Error {
  override readonly name: string = 'StoreFull'
}

/** The blob is not there. For a blob that a row names this is data loss, and must be loud. */
export class BlobMissing extends Error {
  override readonly name: string = 'BlobMissing'
}

/** The blob is there, and not as it was written: none of the bytes in doubt is given out. */
export class BlobDamaged extends Error {
  override readonly name: string = 'BlobDamaged'
}

/** Another process holds the store; the message names its pid. */
export class StoreLocked extends Error {
  override readonly name: string = 'StoreLocked'
}

/** What is kept is not ours, a newer program's, or damaged; the message says where, and what to do. Nothing was changed. */
export class StoreDamaged extends Error {
  override readonly name: string = 'StoreDamaged'
}
