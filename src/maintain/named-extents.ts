/** Every extent that some row of a partition names, and what follows from it: the one reading of the rows that scrub's search for lost and for unnamed blobs rests on. */
import type { MetadataStore } from '../../metadata/store.ts'
import { type Content, type Extent, holderOfPart, readRow } from '../s3/rows.ts'
import { allRows } from './all-rows.ts'
import { uploadsIn } from './check-rows.ts'
import type { Place } from './problem.ts'

export interface Naming {
  readonly place: Place
  readonly extents: readonly Extent[]
  /**
   * `lives`: a client can reach these bytes. `goes`: garbage, which gives them up. `passes`: a row on
   * its way in or out, which may name what is gone already, or what another row holds.
   */
  readonly as: 'lives' | 'goes' | 'passes'
}

/** The namings of a partition; several of one row follow each other. */
export async function* namings(
  metadata: MetadataStore,
  partition: string,
  signal: AbortSignal,
): AsyncGenerator<Naming, void, undefined> {
  const { live, annotations } = await uploadsIn({ metadata, signal }, partition)
  for await (const { sort, value } of allRows(metadata, partition, 'part', signal)) {
    const holder = holderOfPart(sort)
    const as = live.has(holder) || annotations.has(holder) ? 'lives' : 'passes'
    yield { place: { partition, table: 'part', sort }, extents: value.x ?? [], as }
  }
  for await (const { sort, value } of allRows(metadata, partition, 'page', signal)) {
    const extents = value.p.flatMap((part) => part[3])
    yield { place: { partition, table: 'page', sort }, extents, as: 'passes' }
  }
  for (const table of ['object', 'version'] as const) {
    for await (const { sort, value } of allRows(metadata, partition, table, signal)) {
      const place: Place = { partition, table, sort }
      for await (const extents of extentLists(metadata, partition, value.c)) {
        yield { place, extents, as: 'lives' }
      }
    }
  }
  for await (const { sort, value } of allRows(metadata, partition, 'garbage', signal)) {
    yield { place: { partition, table: 'garbage', sort }, extents: value.x ?? [], as: 'goes' }
  }
}

/** The extents of a content, a page at a time; a page that is missing is left out. */
async function* extentLists(
  metadata: MetadataStore,
  partition: string,
  content: Content | undefined,
): AsyncGenerator<readonly Extent[], void, undefined> {
  if (content?.x !== undefined) yield content.x
  for (const part of content?.p ?? []) yield part[3]
  for (const [sort] of content?.g ?? []) {
    const page = await readRow(metadata, partition, 'page', sort)
    yield (page?.value.p ?? []).flatMap((part) => part[3])
  }
}
