/**
 * Bodies that stand in their rows at the source of a migration, and in blobs of their own at the destination: those
 * above its `limits.inlineMax`, which is 0 where blobs are sealed, so that no byte of an object stays in clear. Those
 * that are encrypted on request stay in their rows, in whose format they are.
 *
 * The blob's id is made of the row and its bytes. So an attempt that goes on where another one was cut off
 * makes the same blobs, and leaves none behind that no row names. Such ids are older than any that a
 * gateway gives: the two can be told apart, and never meet.
 */
import { createHash } from 'node:crypto'
import type { Json, Row, Table } from '../../metadata/store.ts'
import type { BlobId, ObjectStorage } from '../../storage/store.ts'
import { ulidFloor } from '../lib/ulid.ts'
import { atOnce } from './at-once.ts'
import { MaintenanceError } from './maintenance-error.ts'

/** Epoch ms. Times below are spread over 25 days: storage engines keep blobs of one time together, and few at a time. */
const TIMES_END = 2 ** 31
/** Ids of lifted bodies are below this one, all others above. */
export const LIFTED_END: BlobId = ulidFloor(TIMES_END)

const PUTS_AT_ONCE = 16
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const TIME_LENGTH = 10
const LENGTH = 26

export interface LiftedBody {
  readonly id: BlobId
  readonly bytes: Uint8Array
}

/** The row as it is to stand at the destination, and the body that no longer stands in it. */
export function lift(
  partition: string,
  table: Table,
  row: Row,
  inlineMaxBytes: number,
): { readonly row: Row; readonly body?: LiftedBody } {
  const { bytes, ...bare } = row
  if (bytes === undefined || bytes.length <= inlineMaxBytes) return { row }
  // What is encrypted on request is sealed for its row, and not in clear anywhere.
  if ((row.value as { readonly sse?: Json }).sse !== undefined) return { row }
  const id = idOf([partition, table, row.sort, row.value], bytes)
  const extents = [[id, 0, bytes.length]]
  const value = {
    ...(row.value as object),
    ...(table === 'part' ? { x: extents } : { c: { x: extents } }),
  }
  return { row: { ...bare, value }, body: { id, bytes } }
}

/** Puts bodies into blobs; where `isAgain`, an earlier attempt may have put some. Reads them back where it `verifies`. */
export async function putBodies(
  storage: ObjectStorage,
  bodies: readonly LiftedBody[],
  isAgain: boolean,
  verifies: boolean,
  signal: AbortSignal,
): Promise<void> {
  if (isAgain && bodies.length > 0) await storage.delete(bodies.map(({ id }) => id))
  await atOnce(each(bodies), PUTS_AT_ONCE, async ({ id, bytes }) => {
    signal.throwIfAborted()
    await storage.put(id, bytes, { size: bytes.length, signal })
    if (!verifies) return
    const chunks: Uint8Array[] = []
    for await (const chunk of await storage.get(id, { start: 0, end: bytes.length }, signal))
      chunks.push(Uint8Array.from(chunk))
    if (Buffer.concat(chunks).compare(bytes) !== 0)
      throw new MaintenanceError(
        `blob ${id} came back from the destination changed: its disk or memory is not to be trusted. The source is as it was`,
      )
  })
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* items
}

/** A ULID of that digest: its time below `TIMES_END`, the rest as it comes. */
function idOf(place: Json, bytes: Uint8Array): BlobId {
  const text = JSON.stringify(place)
  const hash = createHash('sha256').update(`${text.length} ${text}`).update(bytes).digest()
  const time = ulidFloor(hash.readUInt32BE(0) % TIMES_END).slice(0, TIME_LENGTH)
  let id = time
  for (let at = 4; id.length < LENGTH; at++) id += DIGITS[hash[at]! & 31]
  return id
}
