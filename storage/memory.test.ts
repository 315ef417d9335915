import { storageContract } from './contract.ts'
import { MemoryStorage } from './memory.ts'

storageContract('memory', async () => new MemoryStorage())
