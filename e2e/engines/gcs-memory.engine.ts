/** The memory of the storage `gcs` under load. */
import { memoryPromises } from './memory-bound.ts'

memoryPromises('gcs', 32 * 1024 ** 2)
