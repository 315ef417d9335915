/** S3's additional checksums (the model's ChecksumAlgorithm). Values travel as base64 of the big-endian digest. */
export const CHECKSUM_ALGORITHMS = [
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
  'SHA512',
  'MD5',
  'XXHASH64',
  'XXHASH3',
  'XXHASH128',
] as const

export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number]

/** How the checksum of a multipart object comes about: over all bytes, or over the parts' checksums (`…-N`). */
export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT'
