import { engineContract } from '../engine-contract.ts'
import { WebtorrentEngine } from './engine.ts'

engineContract(
  'webtorrent',
  (disk, options, events) => WebtorrentEngine.open(disk, options, events),
  false,
)
