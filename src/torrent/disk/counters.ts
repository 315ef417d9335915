/** What a disk counts: `DiskStats` that change. */
import type { DiskStats } from '../disk-io.ts'

export type Counters = { -readonly [K in keyof DiskStats]: DiskStats[K] }

export function zeroCounters(): Counters {
  return {
    readBytes: 0,
    writtenBytes: 0,
    cacheHits: 0,
    cacheMisses: 0,
    evictions: 0,
    prefetches: 0,
    backPressureMs: 0,
    upstreamPuts: 0,
    upstreamPutBytes: 0,
    upstreamGets: 0,
    upstreamGetBytes: 0,
    dedupBytes: 0,
    dirtyBytesNow: 0,
    readCacheBytesNow: 0,
    entriesNow: 0,
    pinnedNow: 0,
  }
}
