import { describe } from 'vitest'
import { engineContract } from '../engine-contract.ts'
import { LibtorrentEngine } from './engine.ts'
import { hasNative } from './native.ts'

// The addon is optional, and built by `npm run build:libtorrent`; CI does so first.
describe.skipIf(!hasNative())('libtorrent', () => {
  engineContract(
    'libtorrent',
    (disk, options, events) => LibtorrentEngine.open(disk, options, events),
    true,
  )
})
