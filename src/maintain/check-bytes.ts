/**
 * Bytes against what their rows say of them: every object, version and part of an upload is read to its
 * end and hashed.
 *
 * What proves bytes, and what does not:
 * - An object put whole: its ETag, where that is an MD5, and its checksum.
 * - One of parts: the checksums of its parts; its own, over all bytes or over the parts' digests; its ETag,
 *   the MD5 over the MD5s of its parts. A part that was copied unread has no checksum, and its ETag was made
 *   up, so an ETag that does not come out proves nothing against an object that has such parts (they
 *   share their blobs) or whose bytes are proven otherwise.
 * - Nothing that is encrypted on request (SSE): its digests are of the bytes in clear. It is read to its end
 *   all the same, for what cannot be read is lost.
 * What nothing proves is counted as unproven, not as damaged.
 */
import type { MetadataStore, Table } from '../../metadata/store.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../api/checksum.ts'
import { createDigest, type Digest, digestOf } from '../lib/digest.ts'
import { SHORT_SEAL_BYTES } from '../lib/short-seal.ts'
import { BlobMissing } from '../lib/store-error.ts'
import { combineChecksums } from '../s3/checksum.ts'
import {
  type Content,
  type Extent,
  type PartRow,
  readRow,
  type StoredChecksum,
  type StoredPart,
  type VersionRow,
} from '../s3/rows.ts'
import { isInlined } from './all-rows.ts'
import type { Place, Report } from './problem.ts'
import type { Progress } from './progress.ts'

const MD5 = /^[0-9a-f]{32}$/
/** Digests of one content that are told of. */
const DETAILS_MAX = 3
const ETAG_OF_PARTS = /^[0-9a-f]{32}-[1-9]\d*$/

export interface BytesCheck {
  readonly metadata: MetadataStore
  readonly storage: ObjectStorage
  /** Nothing is hashed: only whether inlined bytes are all there is looked at. */
  readonly isQuick: boolean
  readonly signal: AbortSignal
  readonly report: Report
  readonly progress: Progress
  /** Whether lost blobs or pages of that row have been reported already. */
  isToldOf(place: Place): boolean
}

/** `proven`: at least one digest vouches for the bytes and none contradicts. `damaged`: reported. */
export type Verdict = 'proven' | 'unproven' | 'damaged'

/** One object, noncurrent version, or part of an upload, as a scan gave it. */
export interface ContentRow {
  readonly place: Place
  readonly value: VersionRow | PartRow
}

/** Reads the content of a row, and reports what is wrong with it. */
export async function checkContent(
  check: BytesCheck,
  { place, value }: ContentRow,
): Promise<Verdict> {
  const finding = new Finding(check, place)
  try {
    if (isInlined(place.table, value)) await checkInlined(check, finding, value)
    else if (check.isQuick) finding.prove()
    else if (isEncrypted(value)) await readEncrypted(check, finding, value)
    else if (place.table === 'part') await checkPart(check, finding, value)
    else await checkVersion(check, finding, value as VersionRow)
  } catch (error) {
    check.signal.throwIfAborted()
    if (!(error instanceof Error)) throw error
    // That a blob is not there, or too short, was told when rows and blobs were matched.
    if (!check.isToldOf(place))
      check.report({ kind: 'blob-unreadable', place, detail: error.message })
    return 'damaged'
  }
  finding.report()
  return finding.verdict
}

/** Gathers what the digests of one content say. */
class Finding {
  readonly #check: BytesCheck
  readonly #place: Place
  readonly #wrong: string[] = []
  #isProven = false

  constructor(check: BytesCheck, place: Place) {
    this.#check = check
    this.#place = place
  }

  get verdict(): Verdict {
    return this.#wrong.length > 0 ? 'damaged' : this.#isProven ? 'proven' : 'unproven'
  }

  get table(): Table {
    return this.#place.table
  }

  get partition(): string {
    return this.#place.partition
  }

  get sort(): string {
    return this.#place.sort
  }

  prove(): void {
    this.#isProven = true
  }

  tell(detail: string): void {
    this.#wrong.push(detail)
  }

  /** All that is wrong as one problem. */
  report(): void {
    if (this.#wrong.length === 0) return
    const more = this.#wrong.length - DETAILS_MAX
    const told = this.#wrong.slice(0, DETAILS_MAX).join('; ')
    const detail = more > 0 ? `${told}; and ${more} more` : told
    this.#check.report({ kind: 'bytes', place: this.#place, detail })
  }

  /** Whether what was computed is what is stored. */
  compare(what: string, stored: string, computed: string): void {
    if (stored === computed) this.prove()
    else this.tell(`${what} is ${computed}, and ${stored} is expected`)
  }
}

async function checkInlined(
  { metadata, isQuick, progress }: BytesCheck,
  finding: Finding,
  value: VersionRow | PartRow,
): Promise<void> {
  const row = await metadata.get(finding.partition, finding.table, finding.sort)
  const bytes = row?.bytes ?? new Uint8Array(0)
  progress.add(0, bytes.length)
  const sealed = isEncrypted(value) ? SHORT_SEAL_BYTES : 0
  if (bytes.length !== value.s + sealed) {
    finding.tell(`${bytes.length} bytes stand in its row, and its size is ${value.s}`)
  } else if (isQuick) finding.prove()
  else if (sealed > 0) return
  else checkWhole(finding, claimsOf(value), (algorithm) => digestOf(algorithm, bytes))
}

function isEncrypted(value: VersionRow | PartRow): boolean {
  return ('sse' in value && value.sse !== undefined) || ('key' in value && value.key !== undefined)
}

/** Reads the blobs as they are at rest, whole: extents count bytes in clear. */
async function readEncrypted(
  check: BytesCheck,
  { partition }: Finding,
  value: VersionRow | PartRow,
): Promise<void> {
  const content: Content = 'x' in value ? { x: value.x ?? [] } : ((value as VersionRow).c ?? {})
  const blobs = new Set((content.x ?? []).map(([blob]) => blob))
  for await (const part of partsOf(check, partition, content))
    for (const [blob] of part[3]) blobs.add(blob)
  for (const blob of blobs)
    for await (const chunk of await check.storage.get(blob, undefined, check.signal))
      check.progress.add(0, chunk.length)
}

type AnyAlgorithm = ChecksumAlgorithm | 'md5'

interface Claim {
  readonly what: string
  readonly algorithm: AnyAlgorithm
  readonly value: string
}

/** The digests over all bytes that a row states. An ETag of a part that shares its blobs may be made up. */
function claimsOf(value: VersionRow | PartRow): readonly Claim[] {
  const claims: Claim[] = []
  const isCopiedPart = 'x' in value && (value.x ?? []).some((extent) => extent[3] !== undefined)
  if (MD5.test(value.e) && !isCopiedPart)
    claims.push({ what: 'the MD5 of its bytes', algorithm: 'md5', value: value.e })
  if (value.k?.[2] === 'FULL_OBJECT') claims.push(claimOf(value.k))
  if ('sent' in value && value.sent !== undefined)
    claims.push(claimOf([value.sent[0], value.sent[1], 'FULL_OBJECT']))
  return claims
}

function claimOf([algorithm, value]: StoredChecksum): Claim {
  return { what: `the ${algorithm} of its bytes`, algorithm, value }
}

function checkWhole(
  finding: Finding,
  claims: readonly Claim[],
  compute: (algorithm: AnyAlgorithm) => string,
): void {
  for (const { what, algorithm, value } of claims) finding.compare(what, value, compute(algorithm))
}

async function checkPart(check: BytesCheck, finding: Finding, part: PartRow): Promise<void> {
  await checkExtents(check, finding, claimsOf(part), part.x ?? [])
}

async function checkVersion(
  check: BytesCheck,
  finding: Finding,
  version: VersionRow,
): Promise<void> {
  if (version.c?.p !== undefined || version.c?.g !== undefined) {
    await checkParts(check, finding, version, version.c)
  } else await checkExtents(check, finding, claimsOf(version), version.c?.x ?? [])
}

async function checkExtents(
  check: BytesCheck,
  finding: Finding,
  claims: readonly Claim[],
  extents: readonly Extent[],
): Promise<void> {
  const digests = new Map(claims.map(({ algorithm }) => [algorithm, createDigest(algorithm)]))
  await read(check, extents, [...digests.values()])
  checkWhole(finding, claims, (algorithm) => digests.get(algorithm)!.value())
}

/** What the parts of one object come to. */
interface PartsSeen {
  readonly md5s: string[]
  /** Digests of the object's own algorithm. */
  readonly own: { readonly checksum: string; readonly size: number }[]
  /** All parts had checksums, and these are right. */
  areProven: boolean
  /** Some part may have been copied without its bytes being read. */
  areCopied: boolean
}

async function checkParts(
  check: BytesCheck,
  finding: Finding,
  version: VersionRow,
  content: Content,
): Promise<void> {
  const { k } = version
  const whole = k === undefined || isMadeOfParts(k) ? undefined : createDigest(k[0])
  const seen: PartsSeen = { md5s: [], own: [], areProven: true, areCopied: false }
  for await (const part of partsOf(check, finding.partition, content)) {
    const algorithms = algorithmsOf(part, k, content)
    await checkOnePart(check, finding, part, algorithms, seen, whole)
  }
  if (seen.areProven && seen.md5s.length > 0) finding.prove()
  if (k !== undefined && whole !== undefined) {
    finding.compare(`the ${k[0]} of its bytes`, k[1], whole.value())
  } else if (k !== undefined) {
    const made = combineChecksums(k[0], k[2], seen.own)
    finding.compare(`the ${k[0]} over its parts`, k[1], made[1])
  }
  if (!ETAG_OF_PARTS.test(version.e)) return
  const etag = `${digestOf('md5', Buffer.from(seen.md5s.join(''), 'hex'))}-${seen.md5s.length}`
  const proves = etag === version.e || (finding.verdict === 'unproven' && !seen.areCopied)
  if (proves) finding.compare('the ETag of its parts', version.e, etag)
}

async function checkOnePart(
  check: BytesCheck,
  finding: Finding,
  [number, size, stored, extents]: StoredPart,
  algorithms: readonly ChecksumAlgorithm[],
  seen: PartsSeen,
  whole: Digest | undefined,
): Promise<void> {
  const md5 = createDigest('md5')
  const digests = algorithms.map((name) => createDigest(name))
  await read(check, extents, [md5, ...digests, ...(whole === undefined ? [] : [whole])])
  const values = digests.map((digest) => digest.value())
  seen.md5s.push(md5.value())
  if (values[0] !== undefined) seen.own.push({ checksum: values[0], size })
  if (extents.some((extent) => extent[3] !== undefined)) seen.areCopied = true
  if (stored === null) seen.areProven = false
  else if (!values.includes(stored)) {
    const names = values.map((value, index) => `${algorithms[index]} ${value}`).join(', ')
    finding.tell(`part ${number}: its bytes have ${names}, and ${stored} is expected`)
  }
}

/** Whether an object's checksum comes out of those of its parts. */
function isMadeOfParts([algorithm, , type]: StoredChecksum): boolean {
  return type === 'COMPOSITE' || algorithm.startsWith('CRC')
}

/**
 * What to compute of a part: first the algorithm of the object's checksum, where that is made of its
 * parts'; then those that the part's own may be of. Its row does not say: it is the object's,
 * but in pages of an object that was copied under another one, and where the object has none.
 */
function algorithmsOf(
  [, , stored]: StoredPart,
  k: StoredChecksum | undefined,
  { g }: Content,
): readonly ChecksumAlgorithm[] {
  const own = k !== undefined && isMadeOfParts(k) ? [k[0]] : []
  if (stored === null) return own
  if (k !== undefined && (g === undefined || k[2] === 'COMPOSITE')) return [k[0]]
  const possible = CHECKSUM_ALGORITHMS.filter((name) => LENGTHS[name] === stored.length)
  return [...new Set([...own, ...possible])]
}

/** Characters of a checksum in base64. */
const LENGTHS: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 8,
  CRC32C: 8,
  CRC64NVME: 12,
  SHA1: 28,
  SHA256: 44,
  SHA512: 88,
  MD5: 24,
  XXHASH64: 12,
  XXHASH3: 12,
  XXHASH128: 24,
}

/** The parts of a content in order. A page that is missing was told of when the rows were checked. */
async function* partsOf(
  { metadata }: BytesCheck,
  partition: string,
  { p, g }: Content,
): AsyncGenerator<StoredPart, void, undefined> {
  yield* p ?? []
  for (const [sort] of g ?? []) {
    const page = await readRow(metadata, partition, 'page', sort)
    if (page === undefined) throw new BlobMissing(`page ${sort} is missing`)
    yield* page.value.p
  }
}

/** Feeds the bytes of the extents, in order, to the digests. */
async function read(
  { storage, signal, progress }: BytesCheck,
  extents: readonly Extent[],
  digests: readonly Digest[],
): Promise<void> {
  for (const [blob, start, end] of extents) {
    for await (const chunk of await storage.get(blob, { start, end }, signal)) {
      for (const digest of digests) digest.update(chunk)
      progress.add(0, chunk.length)
    }
  }
}
