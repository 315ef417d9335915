import { describe } from 'vitest'
import { engineContract } from '../engine-contract.ts'
import { LibtorrentEngine } from './engine.ts'
import { hasNative } from './native.ts'

describe.skipIf(!hasNative())('libtorrent', () => {
  engineContract(
    'libtorrent',
    (disk, options, events) => LibtorrentEngine.open(disk, options, events),
    true,
  )
})
