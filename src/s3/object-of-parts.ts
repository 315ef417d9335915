/**
 * What an upload's parts make together: the parts that a Complete names, matched with those that are
 * there, and the object's size, ETag and checksum. Pure: nothing is read or written here.
 */
import type { CompletedPart } from '@aws-sdk/client-s3'
import type { ChecksumAlgorithm, ChecksumType } from '../api/checksum.ts'
import { S3Error } from '../api/error.ts'
import { OBJECT_BYTES_MAX, PART_NUMBER_MAX } from '../api/limits.ts'
import type { Input } from '../api/operations.ts'
import { digestOf } from '../lib/digest.ts'
import type { S3Options } from './context.ts'
import { checksumOf, combineChecksums, DEFAULT_ALGORITHM } from './checksum.ts'
import { checkPartNumber } from './part-row.ts'
import type { PartRow, StoredChecksum, Upload } from './rows.ts'
import { checksumTypeMismatch } from './upload-part.ts'

/** A part that the client wants in the object. */
export interface AskedPart {
  readonly number: number
  /** Without quotes. */
  readonly etag: string
  readonly checksum?: readonly [ChecksumAlgorithm, string]
}

/** A part that goes into the object. */
export interface UsedPart {
  readonly number: number
  readonly row: PartRow
}

export interface ObjectOfParts {
  readonly parts: readonly UsedPart[]
  /** Numbers of the parts that are there and were not named. */
  readonly unused: readonly number[]
  readonly size: number
  readonly etag: string
  /** None where a part has none: one that was copied unread. */
  readonly checksum?: StoredChecksum
}

/** What configuration decides of it. */
export type AssemblyOptions = Pick<S3Options, 'partBytesMin' | 'compat'>

/**
 * Rejects an empty or incomplete list (MalformedXML), and one that does not ascend (InvalidPartOrder). As
 * suites know S3 from before, a number may follow itself: the client sent the part again, and the last counts.
 */
export function askedParts(
  parts: readonly CompletedPart[] | undefined,
  { compat }: AssemblyOptions,
): readonly AskedPart[] {
  if (parts === undefined || parts.length === 0 || parts.length > PART_NUMBER_MAX)
    throw new S3Error('MalformedXML')
  let last = 0
  const asked: AskedPart[] = []
  for (const part of parts) {
    if (part.PartNumber === undefined || part.ETag === undefined) throw new S3Error('MalformedXML')
    const number = checkPartNumber(part.PartNumber)
    if (number < last || (number === last && compat !== 'legacy'))
      throw new S3Error('InvalidPartOrder')
    if (number === last) asked.pop()
    last = number
    const checksum = namesChecksum(part) ? checksumOf(part) : undefined
    const etag = part.ETag.startsWith('"') ? part.ETag.slice(1, -1) : part.ETag
    asked.push(checksum === undefined ? { number, etag } : { number, etag, checksum })
  }
  return asked
}

/** Most parts of most uploads name none: of ten thousand, each of ten members need not be asked. */
function namesChecksum(part: CompletedPart): boolean {
  for (const member in part) if (member !== 'PartNumber' && member !== 'ETag') return true
  return false
}

/** Puts the object together, and checks all that the client says of it. `there`: rows by part number. */
export function assemble(
  input: Input<'CompleteMultipartUpload'>,
  asked: readonly AskedPart[],
  upload: Upload,
  there: ReadonlyMap<number, PartRow>,
  options: AssemblyOptions,
): ObjectOfParts {
  checkMode(input.ChecksumType, upload)
  const uploadId = input.UploadId ?? ''
  const parts = asked.map((part): UsedPart => {
    const row = there.get(part.number)
    if (row === undefined || row.e !== part.etag) throw invalidPart(part, uploadId)
    checkPartChecksum(part, row, upload, uploadId, options)
    return { number: part.number, row }
  })
  const size = sizeOf(parts, options.partBytesMin)
  checkSize(input.MpuObjectSize, size)
  const checksum = checksumOfParts(upload, parts)
  checkClaimed(checksumOf(input), upload, checksum, options)
  const named = new Set(asked.map((part) => part.number))
  const object: ObjectOfParts = {
    parts,
    unused: [...there.keys()].filter((number) => !named.has(number)),
    size,
    etag: etagOf(parts),
  }
  return checksum === undefined ? object : { ...object, checksum }
}

function checkMode(asked: ChecksumType | undefined, upload: Upload): void {
  const type: ChecksumType = upload.k?.[1] ?? 'FULL_OBJECT'
  if (asked === undefined || asked === type) return
  throw new S3Error('InvalidRequest', {
    message: `The upload was created using the ${upload.k?.[1] ?? 'null'} checksum mode. The complete request must use the same checksum mode.`,
  })
}

function invalidPart(part: AskedPart, uploadId: string): S3Error {
  return new S3Error('InvalidPart', {
    fields: { UploadId: uploadId, PartNumber: String(part.number), ETag: part.etag },
  })
}

/** Suites that know S3 from before complete without the parts' checksums, which are verified already. */
function checkPartChecksum(
  part: AskedPart,
  row: PartRow,
  upload: Upload,
  uploadId: string,
  { compat }: AssemblyOptions,
): void {
  if (part.checksum === undefined) {
    if (upload.k?.[1] !== 'COMPOSITE' || compat === 'legacy') return
    throw new S3Error('InvalidRequest', {
      message: `The upload was created using a ${upload.k[0].toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${part.number} in the request.`,
    })
  }
  const [algorithm, value] = part.checksum
  const stored = row.k?.[0] === algorithm ? row.k : row.sent
  if (stored?.[0] !== algorithm) throw invalidPart(part, uploadId)
  if (stored[1] === value) return
  // What could be no checksum at all is taken for a wrong part; a wrong checksum for a wrong checksum.
  if (!hasLengthOf(value, stored[1])) throw invalidPart(part, uploadId)
  throw new S3Error('BadDigest', {
    message: `The ${algorithm.toLowerCase()} you specified for part ${part.number} did not match what we received.`,
  })
}

/** The size of all; EntityTooSmall where a part before the last is too small, EntityTooLarge for too much. */
function sizeOf(parts: readonly UsedPart[], partBytesMin: number): number {
  let size = 0
  for (const [index, { number, row }] of parts.entries()) {
    if (row.s < partBytesMin && index < parts.length - 1)
      throw new S3Error('EntityTooSmall', {
        fields: {
          ProposedSize: String(row.s),
          MinSizeAllowed: String(partBytesMin),
          PartNumber: String(number),
          ETag: row.e,
        },
      })
    size += row.s
  }
  if (size > OBJECT_BYTES_MAX)
    throw new S3Error('EntityTooLarge', {
      fields: { ProposedSize: String(size), MaxSizeAllowed: String(OBJECT_BYTES_MAX) },
    })
  return size
}

function checkSize(claimed: number | undefined, size: number): void {
  if (claimed === undefined || claimed === size) return
  throw new S3Error('InvalidRequest', {
    message: `The provided 'x-amz-mp-object-size' header value ${claimed} does not match what was computed: ${size}`,
  })
}

function checksumOfParts(upload: Upload, parts: readonly UsedPart[]): StoredChecksum | undefined {
  const [algorithm, type] = upload.k ?? [DEFAULT_ALGORITHM, 'FULL_OBJECT']
  const pieces: { checksum: string; size: number }[] = []
  for (const { row } of parts) {
    if (row.k?.[0] !== algorithm) return undefined
    pieces.push({ checksum: row.k[1], size: row.s })
  }
  return combineChecksums(algorithm, type, pieces)
}

/** Verifies the checksum that the client has computed of the whole; a composite one may lack its `-N`. */
function checkClaimed(
  claimed: readonly [ChecksumAlgorithm, string] | undefined,
  upload: Upload,
  checksum: StoredChecksum | undefined,
  { compat }: AssemblyOptions,
): void {
  if (claimed === undefined) return
  const [algorithm, value] = claimed
  const expected = upload.k?.[0] ?? DEFAULT_ALGORITHM
  if (algorithm !== expected) throw checksumTypeMismatch(expected, algorithm)
  const computed = checksum?.[1] ?? ''
  const bare = computed.replace(/-\d+$/, '')
  if (value === computed || value === bare) return
  if (compat !== 'legacy' && !hasLengthOf(value.replace(/-\d+$/, ''), bare))
    throw new S3Error('InvalidRequest', {
      message: `Value for x-amz-checksum-${algorithm.toLowerCase()} header is invalid.`,
    })
  throw new S3Error('BadDigest', {
    message: `The ${algorithm.toLowerCase()} you specified did not match the calculated checksum.`,
  })
}

/** Whether a text is base64 of as many bytes as that checksum. */
function hasLengthOf(value: string, checksum: string): boolean {
  return (
    value.length === checksum.length && Buffer.from(value, 'base64').toString('base64') === value
  )
}

/** S3's ETag of a multipart object: the MD5 over its parts' MD5s, and their number. */
function etagOf(parts: readonly UsedPart[]): string {
  const digests = Buffer.from(parts.map(({ row }) => row.e.slice(0, 32)).join(''), 'hex')
  return `${digestOf('md5', digests)}-${parts.length}`
}
