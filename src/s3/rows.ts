/**
 * Which row stands where, and what is in it: the one place that knows the layout.
 *
 * | partition     | table     | sort                          | value                                          |
 * |---------------|-----------|-------------------------------|------------------------------------------------|
 * | `''`          | `bucket`  | bucket name                   | `BucketEntry`: what ListBuckets shows          |
 * | bucket        | `bucket`  | `''`                          | `BucketRow`: the bucket and its configuration  |
 * | bucket        | `object`  | key                           | `VersionRow`: the head (newest version) of it  |
 * | bucket        | `version` | `chainOf(key)` + seq          | `VersionRow`: a noncurrent version             |
 * | bucket        | `page`    | manifest id + `.` + 4 digits  | `PageRow`: up to 500 parts of a large object   |
 * | bucket        | `upload`  | key                           | `UploadsRow`: the uploads under way of the key |
 * | bucket        | `part`    | upload id + `.` + 5 digits    | `PartRow`                                      |
 * | bucket        | `garbage` | ULID (when it was thrown away)| `GarbageRow`: work for the sweep               |
 * | `shares(blob)`| `share`   | blob id + `.` + ref           | `ShareRow`: one holder of a shared blob        |
 *
 * A key takes the whole of a sort key (1024 bytes), so nothing is ever appended to it. The layout
 * holds versions from the first day: an unversioned bucket has heads only.
 * Members are short because every row of a page is parsed on the way to a listing.
 */
import { hash } from 'node:crypto'
import type { ChecksumAlgorithm, ChecksumType } from '../api/checksum.ts'

/** Bytes `start` to `end` of a blob. With `ref`, the blob is shared: this holder's row is `share[blob.ref]`. */
export type Extent = readonly [blob: string, start: number, end: number, ref?: string]

/** Checksum of an object or part: algorithm, base64 value (`…-N` where composite), and how it came about. */
export type StoredChecksum = readonly [
  algorithm: ChecksumAlgorithm,
  value: string,
  type: ChecksumType,
]

/** One part of an object that was uploaded in parts, with the extents that hold its bytes. */
export type StoredPart = readonly [
  partNumber: number,
  size: number,
  checksum: string | null,
  extents: readonly Extent[],
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

export type StoredGrant = readonly [
  permission: string,
  kind: 'id' | 'uri' | 'email',
  who: string,
  displayName?: string,
]

export type StoredAcl = {
  readonly owner: readonly [id: string, displayName: string]
  readonly grants: readonly StoredGrant[]
}

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
  readonly sc?: string
  readonly acl?: StoredAcl
  /** Owner's id and display name. */
  readonly o: readonly [id: string, displayName: string]
  /** On a head only: `q` of an older version whose public id is 'null', if there is one. */
  readonly nq?: string
  /** On a head only: 1 where older versions exist. */
  readonly older?: 1
}

export type PageRow = { readonly p: readonly StoredPart[] }

export type BucketEntry = { readonly t: number; readonly owner: string }

export type BucketRow = {
  /** Created, epoch ms. */
  readonly t: number
  readonly owner: readonly [id: string, displayName: string]
  readonly region: string
  /** A DeleteBucket is looking whether it is empty: nothing may be written. */
  readonly deleting?: number
  readonly acl?: StoredAcl
  readonly versioning?: 'Enabled' | 'Suspended'
}

/** What CreateMultipartUpload was told, for Complete to give to the object. */
export type Upload = {
  /** Initiated, epoch ms. */
  readonly t: number
  readonly by: readonly [id: string, displayName: string]
  readonly h?: StoredHeaders
  readonly m?: { readonly [name: string]: string }
  readonly sc?: string
  readonly acl?: StoredAcl
  /** Checksum algorithm and type, where asked for. */
  readonly k?: readonly [ChecksumAlgorithm, ChecksumType]
}

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
  /** Absent: inlined in the row's bytes (small parts). */
  readonly x?: readonly Extent[]
}

/** Work for the sweep: blobs whose version is gone; all parts of an ended upload; all pages of a manifest with their extents. */
export type GarbageRow = {
  readonly x?: readonly Extent[]
  readonly upload?: string
  readonly pages?: readonly string[]
}

/** Since when the holder holds; the sweep drops one that no row names. */
export type ShareRow = { readonly t: number }

export const ROOT = ''
/** Parts kept in the head itself; more go into pages. */
export const INLINE_PARTS_MAX = 64
export const PAGE_PARTS_MAX = 500

/** Begin of the sort keys of `key`'s noncurrent versions: 22 characters of SHA-256, so that any key fits. */
export function chainOf(key: string): string {
  return `${hash('sha256', key, 'base64url').slice(0, 22)}.`
}

export function partSort(uploadId: string, partNumber: number): string {
  return `${uploadId}.${String(partNumber).padStart(5, '0')}`
}

export function pageSort(manifestId: string, index: number): string {
  return `${manifestId}.${String(index).padStart(4, '0')}`
}

/** Partition of a blob's share rows: spread over 1024, for engines whose partitions are bounded. */
export function shares(blob: string): string {
  return `~${blob.slice(-2)}`
}
