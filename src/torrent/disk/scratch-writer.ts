/** Bytes of unfinished pieces, put aside in scratch objects; and taken away again. */
import type { ChunkStore } from './chunk-store.ts'
import { type Journal, partsThatFit, type ScratchPart } from './journal.ts'
import type { PieceMemory } from './piece-memory.ts'
import { Spans } from './spans.ts'
import type { Turns } from './turns.ts'

export interface ScratchPlace {
  readonly store: ChunkStore
  readonly bucket: string
  readonly journal: Journal
  readonly turns: Turns
}

/** One object, but for ranges so many that a name cannot hold them. Rejects with DiskError; some may be stored then. */
export async function writeScratch(
  { store, bucket, journal, turns }: ScratchPlace,
  { piece, layer }: PieceMemory,
): Promise<readonly ScratchPart[]> {
  const parts: ScratchPart[] = []
  for (const edges of partsThatFit(layer.spans.edges, journal.keys.rangeBytesMax)) {
    const seq = journal.nextSeq()
    const key = journal.keys.scratch({ piece, seq, edges })
    const spans = new Spans(edges)
    const body = [...spans].flatMap(([start, end]) => [...layer.views(start, end)])
    try {
      const version = await turns.run(() => store.put(bucket, key, body))
      parts.push({ key, spans, version })
    } catch (error) {
      // It may be there all the same, and would be found by a later start.
      await store.remove(bucket, key, undefined).catch(() => {})
      throw error
    } finally {
      journal.giveUp(seq)
    }
  }
  return parts
}

export async function removeScratch(
  { store, bucket }: Pick<ScratchPlace, 'store' | 'bucket'>,
  parts: readonly ScratchPart[],
): Promise<void> {
  for (const { key, version } of parts) await store.remove(bucket, key, version)
}
