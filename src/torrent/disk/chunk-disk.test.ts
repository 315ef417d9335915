import { ChunkDisk } from './chunk-disk.ts'
import { diskContract } from './contract.ts'
import { memoryS3 } from './disk.fixture.ts'

/** Chunks that soon are full, and wait for nobody for long. */
const QUICK = { chunkBytes: 256 * 1024, lingerMs: 2, retryMs: 5 }

diskContract('chunk', async () => new ChunkDisk((await memoryS3()).store, QUICK))

diskContract(
  'chunk, whose memory holds next to nothing',
  async () => new ChunkDisk((await memoryS3()).store, { ...QUICK, budgetBytes: 300_000 }),
)
