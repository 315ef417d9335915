/**
 * Single blobs under keys of their owners' (`UnderKey`): the format of a sealed storage, whose master
 * key is then the owner's. It stands on any storage, a sealed one too.
 */
import type { KeyObject } from 'node:crypto'
import { LentBuffers } from './lent-buffers.ts'
import { SealedStorage } from './sealed.ts'
import { MasterKeys } from './sealed-keys.ts'
import type { ObjectStorage, UnderKey } from './store.ts'

/** Stands in each blob where a sealed storage names its master key. */
const KEY_ID = 'owner'

export function underKey(storage: ObjectStorage): UnderKey {
  const buffers = new LentBuffers()
  return (key: KeyObject) =>
    new SealedStorage(storage, new MasterKeys({ keys: [{ id: KEY_ID, key }] }), buffers)
}
