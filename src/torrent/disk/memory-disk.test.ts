import { diskContract } from './contract.ts'
import { MemoryDisk } from './memory-disk.ts'

diskContract('memory', async () => new MemoryDisk())
