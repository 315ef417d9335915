import { logContract } from './contract.ts'
import { openInMemory } from './memory.ts'

logContract('memory', () => ({ open: async () => openInMemory() }), { isKept: false, runs: 100 })
