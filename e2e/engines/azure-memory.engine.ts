/** The memory of the storage `azure` under load. */
import { memoryPromises } from './memory-bound.ts'

memoryPromises('azure', 32 * 1024 ** 2)
