/**
 * Which row stands where, and what is in it: the one place that knows the layout.
 *
 * | partition     | table     | sort                          | value                                          |
 * |---------------|-----------|-------------------------------|------------------------------------------------|
 * | `''`          | `bucket`  | bucket name                   | `BucketEntry`: what ListBuckets shows          |
 * | `''`          | `garbage` | bucket name                   | a trace (root.ts): rows may stand in the partition of that name of which no entry tells |
 * | `''`          | `page`    | any                           | a note of the store about itself: how far a migration or an import into it has come (src/maintain), when orphans were looked for (orphan-turns.ts) |
 * | `''`          | `config`  | `user.` + access key          | `ConfigRow`: a user made by an administrator (user-rows.ts) |
 * | bucket        | `bucket`  | `''`                          | `BucketRow`: the bucket and its configuration  |
 * | bucket        | `object`  | key                           | `VersionRow`: the head (newest version) of it  |
 * | bucket        | `version` | `chainOf(key)` + seq          | `VersionRow`: a noncurrent version             |
 * | bucket        | `page`    | manifest id + `.` + 4 digits  | `PageRow`: up to 500 parts of a large object   |
 * | bucket        | `upload`  | key                           | `UploadsRow`: the uploads under way of the key |
 * | bucket        | `part`    | upload id + `.` + 5 digits    | `PartRow`                                      |
 * | bucket        | `part`    | annotation set + `.` + name   | `PartRow`: an annotation of the version that names the set |
 * | bucket        | `garbage` | ULID (when it was thrown away)| `GarbageRow`: work for the sweep               |
 * | bucket        | `config`  | kind, or kind + `.` + id      | `ConfigRow`: a document of its configuration   |
 * | bucket        | `event`   | ULID (when it happened)       | `EventRow`: what its listeners are yet to be told |
 * | bucket        | `event`   | `r.` + hash of destination, key | `EventRow`: a key of which versions are yet to be copied elsewhere (replicate.ts) |
 * | `shares(blob)`| `share`   | blob id + `.` + ref           | `ShareRow`: one holder of a shared blob        |
 *
 * A key takes the whole of a sort key (1024 bytes), so nothing is ever appended to it. The layout
 * holds versions from the first day: an unversioned bucket has heads only.
 * Members are short because every row of a page is parsed on the way to a listing.
 */
import { hash } from 'node:crypto'
import type { Json, MetadataStore, Range, Row, Table, Write } from '../../metadata/store.ts'
import type { StorageClass } from '@aws-sdk/client-s3'
import type { ChecksumAlgorithm, ChecksumType } from '../api/checksum.ts'
import type { Grant, Ownership, PublicAccessBlock } from '../api/facts.ts'

/** Bytes `start` to `end` of a blob. With `ref`, the blob is shared: this holder's row is `share[blob.ref]`. */
export type Extent = readonly [blob: string, start: number, end: number, ref?: string]

/** Checksum of an object or part: algorithm, base64 value (`…-N` where composite), and how it came about. */
export type StoredChecksum = readonly [
  algorithm: ChecksumAlgorithm,
  value: string,
  type: ChecksumType,
]

/**
 * How content is encrypted: all of it under one data key, which stands here wrapped by another key.
 * Sizes and extents count bytes in clear.
 */
export type StoredEncryption = {
  /** Whose the wrapping key is: the client's (SSE-C), ours (SSE-S3), one of the KMS keyring (SSE-KMS). */
  readonly by: 'c' | 's3' | 'kms'
  /** The data key, wrapped; base64url. */
  readonly key: string
  /** Of the wrapping key, as clients are told it. */
  readonly id?: string
  /** SSE-KMS: the client's encryption context (JSON, names in order), without which nothing is unwrapped. */
  readonly cx?: string
  /** SSE-KMS: a bucket key was asked for; clients are told so again. */
  readonly bk?: 1
}

/**
 * One part of an object that was uploaded in parts, with the extents that hold its bytes. `key`: its
 * data key (wrapped by the same key as the object's), where that is not the object's own.
 */
export type StoredPart = readonly [
  partNumber: number,
  size: number,
  checksum: string | null,
  extents: readonly Extent[],
  key?: string,
]

/** Where a page of parts stands, and what it begins with. */
export type PageRef = readonly [sort: string, firstPart: number, firstByte: number]

/**
 * Where an object's bytes are. None of the members: in the row's own `bytes` (inlined), or empty.
 * `x`: extents of an object put whole. `p`: parts with their extents, while few. `g`: parts in pages.
 */
export type Content = {
  readonly x?: readonly Extent[]
  readonly p?: readonly StoredPart[]
  readonly g?: readonly PageRef[]
  /** Number of parts, where uploaded in parts. */
  readonly n?: number
}

/** Headers kept for an object as they came: model member name (`ContentType`) to latin1 text. */
export type StoredHeaders = { readonly [member: string]: string }

export type StoredGrant = Grant

export type StoredTag = readonly [key: string, value: string]

export type LockMode = 'GOVERNANCE' | 'COMPLIANCE'

/** What keeps a version from being deleted. */
export type StoredLock = {
  /** Retention: its mode, and until when (epoch ms). */
  readonly r?: readonly [LockMode, untilMs: number]
  /** Legal hold: 1 on, 0 taken off again. */
  readonly lh?: 0 | 1
}

export type StoredAcl = {
  readonly owner: readonly [id: string, displayName: string]
  readonly grants: readonly StoredGrant[]
}

export type ReplicationState = 'PENDING' | 'COMPLETED' | 'FAILED' | 'REPLICA'

/** A version of an object, or a delete marker. */
export type VersionRow = {
  /** Place in the chain, newest first; also its version id unless `v` says 'null'. */
  readonly q: string
  /** Public version id: 'null' where written without versioning, else absent (it is `q`). */
  readonly v?: 'null'
  /** Delete marker. */
  readonly d?: 1
  /** Last modified, epoch ms. */
  readonly t: number
  /** Size in bytes. */
  readonly s: number
  /** ETag without quotes. */
  readonly e: string
  readonly c?: Content
  readonly k?: StoredChecksum
  readonly h?: StoredHeaders
  /** User metadata, names in lower case without the prefix. */
  readonly m?: { readonly [name: string]: string }
  /** Storage class, where not STANDARD. */
  readonly sc?: StorageClass
  readonly acl?: StoredAcl
  readonly sse?: StoredEncryption
  /** Restored from an archive until then (epoch ms). */
  readonly rs?: number
  /** Tags, by their keys. */
  readonly tg?: readonly StoredTag[]
  /** Owner's id and display name, where that is not the bucket's owner (`versionOwner` in version.ts). */
  readonly o?: readonly [id: string, displayName: string]
  /** What has become of its replication, in S3's words; a copy of another store's says REPLICA. */
  readonly rp?: ReplicationState
  /** Replication: the ids that it has at destinations, by their names. */
  readonly ro?: { readonly [target: string]: string }
  /** Annotations: the set that their rows stand under, and how many there are. */
  readonly an?: readonly [set: string, count: number]
  /** On a head only: `q` of an older version whose public id is 'null', if there is one. */
  readonly nq?: string
  /** On a head only: 1 where older versions exist. */
  readonly older?: 1
} & StoredLock

export type PageRow = { readonly p: readonly StoredPart[] }

export type BucketEntry = { readonly t: number; readonly owner: string }

/** The retention that a new version gets where its writer names none; empty: none. */
export type BucketLock = {
  readonly mode?: LockMode
  readonly days?: number
  readonly years?: number
}

export type BucketRow = {
  /** Created, epoch ms. */
  readonly t: number
  readonly owner: readonly [id: string, displayName: string]
  readonly region: string
  /** A DeleteBucket is looking whether it is empty: nothing may be written. */
  readonly deleting?: number
  readonly acl?: StoredAcl
  /** Absent: ObjectWriter; access control lists count. */
  readonly ownership?: Ownership
  readonly block?: PublicAccessBlock
  /** Since others than the owner could put objects into it there may be some that are theirs; never taken off again. */
  readonly shared?: 1
  readonly versioning?: 'Enabled' | 'Suspended'
  /** Object lock is on, for good; versioning then is too. */
  readonly lock?: BucketLock
  /** Which configuration documents there are: kind (and `.` + id) to an id that changes with every write of it. */
  readonly config?: { readonly [sort: string]: string }
}

/** What CreateMultipartUpload was told, for Complete to give to the object. */
export type Upload = {
  /** Initiated, epoch ms. */
  readonly t: number
  /** Who began it. */
  readonly by: readonly [id: string, displayName: string]
  /** Who will own the object, where that is somebody else. */
  readonly o?: readonly [id: string, displayName: string]
  readonly h?: StoredHeaders
  readonly m?: { readonly [name: string]: string }
  readonly sc?: StorageClass
  readonly acl?: StoredAcl
  readonly sse?: StoredEncryption
  readonly tg?: readonly StoredTag[]
  /** Another gateway's replication makes it. */
  readonly rp?: 'REPLICA'
  /** Checksum algorithm and type, where asked for. */
  readonly k?: readonly [ChecksumAlgorithm, ChecksumType]
  /** Names the moment since which no part has changed: a Complete relies on it, and whoever writes a part takes it away. */
  readonly sealed?: string
  /**
   * Manifests of which a Complete has committed pages ahead, or was about to; only the last one may yet
   * become the object's. Who ends the upload removes them. To write or remove such a page is to
   * write this row too.
   */
  readonly drafts?: readonly string[]
} & StoredLock

export type UploadsRow = {
  readonly u: { readonly [uploadId: string]: Upload }
  /** Uploads completed lately: a repeated Complete gets the same answer. */
  readonly done?: {
    readonly [uploadId: string]: {
      readonly t: number
      readonly e: string
      readonly q: string
      readonly k?: StoredChecksum
    }
  }
}

export type PartRow = {
  readonly t: number
  readonly s: number
  /** MD5, hex. */
  readonly e: string
  readonly k?: StoredChecksum
  /** What the client sent, where that is not `k` (its upload named no algorithm). */
  readonly sent?: readonly [ChecksumAlgorithm, value: string]
  /** Absent: inlined in the row's bytes (small parts). */
  readonly x?: readonly Extent[]
  /** The data key that its bytes are under, wrapped as its upload's; absent: they are in clear. */
  readonly key?: string
  /** Of an annotation, whose encryption is its own. */
  readonly sse?: StoredEncryption
}

/** Work for the sweep: what nobody can reach any more. The members may stand together. */
export type GarbageRow = {
  /** Extents whose holder is gone: an extent without ref gives up its blob, one with a ref its share of it. */
  readonly x?: readonly Extent[]
  /** Page rows (by their sort keys) of a manifest that is gone, with all their extents. */
  readonly pages?: readonly string[]
  /** An upload that has ended, or a set of annotations whose version is gone: all its part rows go. */
  readonly upload?: string
  /**
   * Beside `upload`, where it was completed: the extents of its parts live on in the object, except
   * for those of these part numbers, which Complete did not name. Absent: aborted, all extents go.
   */
  readonly unused?: readonly number[]
}

/** Since when the holder holds; the sweep drops one that no row names. */
export type ShareRow = { readonly t: number }

/** Kinds of configuration that are documents of their own (bucket-config.ts). */
export type ConfigKind =
  | 'abac'
  | 'accelerate'
  | 'analytics'
  | 'cors'
  | 'encryption'
  | 'intelligent-tiering'
  | 'inventory'
  | 'lifecycle'
  | 'logging'
  | 'metadata'
  | 'metrics'
  | 'notification'
  | 'policy'
  | 'replication'
  | 'request-payment'
  | 'tagging'
  | 'website'

export type ConfigRow = {
  /** Written, epoch ms. */
  readonly t: number
  readonly document: Json
}

/** What is to be told, and to whom; `event` is one of the S3 message's `Records`. */
export type EventRow = {
  readonly t: number
  /** URL; or the destination of a replication. */
  readonly to: string
  /** To be delivered from then on, epoch ms. */
  readonly due: number
  /** Attempts so far. */
  readonly tries?: number
  readonly event: Json
}

/** What stands in each table of a bucket's partition (in ROOT, `bucket` holds `BucketEntry`). */
export interface RowOf {
  readonly bucket: BucketRow
  readonly object: VersionRow
  readonly version: VersionRow
  readonly page: PageRow
  readonly upload: UploadsRow
  readonly part: PartRow
  readonly garbage: GarbageRow
  readonly share: ShareRow
  readonly config: ConfigRow
  readonly event: EventRow
}

/** One row, with the type that its table gives it. */
export function readRow<T extends Table>(
  metadata: MetadataStore,
  partition: string,
  table: T,
  sort: string,
): Promise<Row<RowOf[T]> | undefined> {
  return metadata.get(partition, table, sort) as Promise<Row<RowOf[T]> | undefined>
}

/** The same without its bytes. */
export async function lookRow<T extends Table>(
  metadata: MetadataStore,
  partition: string,
  table: T,
  sort: string,
): Promise<Row<RowOf[T]> | undefined> {
  return (await scanRows(metadata, partition, table, only(sort)))[0]
}

/** The range that is this one position. To scan it is to read the row without its bytes, which cost more than the row. */
export function only(sort: string): Range {
  return { from: sort, to: `${sort}\0`, limit: 1 }
}

/** Rows of a range, with the type that their table gives them. */
export function scanRows<T extends Table>(
  metadata: MetadataStore,
  partition: string,
  table: T,
  range: Range,
): Promise<readonly Row<RowOf[T]>[]> {
  return metadata.scan(partition, table, range) as Promise<readonly Row<RowOf[T]>[]>
}

/** A write (null: a removal) of a row, for a commit that is not a transaction's. */
export function writeRow<T extends Table>(
  table: T,
  sort: string,
  value: RowOf[T] | null,
  bytes?: Uint8Array,
): Write {
  const json = value as Json
  return bytes === undefined ? { table, sort, value: json } : { table, sort, value: json, bytes }
}

export const ROOT = ''

/** Whether a row is a note of the store about itself: such are never moved to another one. */
export function isNote(partition: string, table: Table): boolean {
  return partition === ROOT && table === 'page'
}

/** Parts kept in the head itself; more go into pages. */
export const INLINE_PARTS_MAX = 64
export const PAGE_PARTS_MAX = 500

/** Begin of the sort keys of `key`'s noncurrent versions: 22 characters of SHA-256, so that any key fits. */
export function chainOf(key: string): string {
  return `${hash('sha256', key, 'base64url').slice(0, 22)}.`
}

/** Sort key of a noncurrent version. */
export function versionSort(key: string, q: string): string {
  return chainOf(key) + q
}

/** The part over other extents, or (null) without its checksum. */
export function changedPart(
  part: StoredPart,
  {
    checksum = part[2],
    extents = part[3],
  }: { checksum?: string | null; extents?: readonly Extent[] },
): StoredPart {
  const [number, size, , , key] = part
  return key === undefined
    ? [number, size, checksum, extents]
    : [number, size, checksum, extents, key]
}

export function partSort(uploadId: string, partNumber: number): string {
  return `${uploadId}.${String(partNumber).padStart(5, '0')}`
}

/** The part number in a sort key of `part`. */
export function numberOfPart(sort: string): number {
  return Number(sort.slice(-5))
}

/** The parts of an upload above that number. */
export function partsOf(
  uploadId: string,
  after: number = 0,
): { readonly from: string; readonly to: string } {
  return { from: partSort(uploadId, after + 1), to: `${uploadId}/` }
}

/** All rows of an upload, or of a set of annotations. */
export function allPartsOf(id: string): { readonly from: string; readonly to: string } {
  return { from: `${id}.`, to: `${id}/` }
}

/** The upload, or the set of annotations, that a row of `part` belongs to. */
export function holderOfPart(sort: string): string {
  return sort.slice(0, sort.indexOf('.'))
}

/** Sort key of an annotation. */
export function annotationSort(set: string, name: string): string {
  return `${set}.${name}`
}

export function pageSort(manifestId: string, index: number): string {
  return `${manifestId}.${String(index).padStart(4, '0')}`
}

/** The pages of a manifest. */
export function pagesOf(manifestId: string): { readonly from: string; readonly to: string } {
  return { from: `${manifestId}.`, to: `${manifestId}/` }
}

export function shareSort(blob: string, ref: string): string {
  return `${blob}.${ref}`
}

/** Partition of a blob's share rows: spread over 1024, for engines whose partitions are bounded. */
export function shares(blob: string): string {
  return `~${blob.slice(-2)}`
}
