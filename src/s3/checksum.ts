/**
 * S3's additional checksums: which one an object gets, what of them can be put together from parts,
 * and the members that carry them in answers.
 *
 * Every object has exactly one: the one that the client claims (and the payload has verified), else
 * CRC64NVME, as S3 itself computes where a client sends none.
 */
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm, type ChecksumType } from '../api/checksum.ts'
import { S3Error } from '../api/error.ts'
import type { DigestName, Payload } from '../api/payload.ts'
import { combineCrcs } from '../lib/crc-combine.ts'
import { digestOf } from '../lib/digest.ts'
import type { StoredChecksum } from './rows.ts'

/** Computed where the client names none. */
export const DEFAULT_ALGORITHM: ChecksumAlgorithm = 'CRC64NVME'

/** The members of inputs and outputs that carry checksums. */
export type ChecksumMembers = {
  [A in ChecksumAlgorithm as `Checksum${A}`]?: string | undefined
} & { ChecksumType?: ChecksumType | undefined }

/** `ChecksumCRC32` and so on: the member that carries a checksum of that algorithm. */
export function checksumMember<A extends ChecksumAlgorithm>(algorithm: A): `Checksum${A}` {
  return `Checksum${algorithm}`
}

/** Adds a stored checksum, with its type, to an output. */
export function addChecksum(output: ChecksumMembers, checksum: StoredChecksum | undefined): void {
  if (checksum === undefined) return
  output[checksumMember(checksum[0])] = checksum[1]
  output.ChecksumType = checksum[2]
}

/** Adds the checksum of one part, which bears no type. */
export function addPartChecksum(
  output: Omit<ChecksumMembers, 'ChecksumType'>,
  algorithm: ChecksumAlgorithm,
  value: string | null,
): void {
  if (value !== null) output[checksumMember(algorithm)] = value
}

/** The algorithm whose member an input carries, with its value. Rejects more than one, as S3 does. */
export function checksumOf(
  input: ChecksumMembers,
): readonly [ChecksumAlgorithm, string] | undefined {
  let found: readonly [ChecksumAlgorithm, string] | undefined
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = input[checksumMember(algorithm)]
    if (value === undefined) continue
    if (found !== undefined) {
      throw new S3Error('InvalidRequest', {
        message:
          'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
      })
    }
    found = [algorithm, value]
  }
  return found
}

/** The algorithm of an upload in one go. */
export function uploadAlgorithm(
  payload: Payload | undefined,
  asked: string | undefined,
): ChecksumAlgorithm {
  return payload?.claimed?.algorithm ?? algorithmNamed(asked) ?? DEFAULT_ALGORITHM
}

/** The algorithm of that name, in any case of letters. Rejects an unknown one with InvalidRequest. */
export function algorithmNamed(name: string | undefined): ChecksumAlgorithm | undefined {
  if (name === undefined) return undefined
  const upper = name.toUpperCase()
  const known = CHECKSUM_ALGORITHMS.find((algorithm) => algorithm === upper)
  if (known !== undefined) return known
  throw new S3Error('InvalidRequest', {
    message: `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${CHECKSUM_ALGORITHMS.join(', ')}]`,
  })
}

/** What a payload is asked to compute: its checksum, and the MD5 where ETags are made of it. Lists are made once. */
export function digestsFor(algorithm: ChecksumAlgorithm, md5: boolean): readonly DigestName[] {
  return (md5 ? WITH_MD5 : ALONE)[algorithm]
}

const ALONE = listsOf((algorithm) => [algorithm])
const WITH_MD5 = listsOf((algorithm) => ['md5', algorithm])

function listsOf(
  list: (algorithm: ChecksumAlgorithm) => readonly DigestName[],
): Readonly<Record<ChecksumAlgorithm, readonly DigestName[]>> {
  const entries = CHECKSUM_ALGORITHMS.map((algorithm) => [algorithm, list(algorithm)])
  return Object.fromEntries(entries) as Record<ChecksumAlgorithm, readonly DigestName[]>
}

/** The checksums that can be had of a whole object from those of its parts. */
type Combinable = 'CRC32' | 'CRC32C' | 'CRC64NVME'

function isCombinable(algorithm: ChecksumAlgorithm): algorithm is Combinable {
  return algorithm === 'CRC32' || algorithm === 'CRC32C' || algorithm === 'CRC64NVME'
}

/**
 * The type of a multipart upload's checksum: the one asked for, else the algorithm's own
 * (CRC64NVME: FULL_OBJECT, all others COMPOSITE). Rejects pairs that S3 does not have: only CRCs
 * can be of the full object, and CRC64NVME cannot be composite.
 */
export function uploadChecksumType(
  algorithm: ChecksumAlgorithm,
  asked: string | undefined,
): ChecksumType {
  const own: ChecksumType = algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'
  if (asked === undefined || asked === own) return own
  if (asked === 'FULL_OBJECT' && isCombinable(algorithm)) return 'FULL_OBJECT'
  throw new S3Error('InvalidRequest', {
    message: `The ${asked} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
  })
}

/** A part, as far as its checksum goes. */
export interface ChecksummedPart {
  readonly checksum: string
  /** Bytes. */
  readonly size: number
}

/** The checksum of an object from those of its parts: `…-N` over the parts' digests, or the CRC of all bytes. */
export function combineChecksums(
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
  parts: readonly ChecksummedPart[],
): StoredChecksum {
  if (type === 'FULL_OBJECT' && isCombinable(algorithm)) {
    return [algorithm, combineCrcs(algorithm, parts), type]
  }
  const digests = Buffer.concat(parts.map((part) => Buffer.from(part.checksum, 'base64')))
  return [algorithm, `${digestOf(algorithm, digests)}-${parts.length}`, 'COMPOSITE']
}
