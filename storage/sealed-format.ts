/**
 * A sealed blob, as it stands in the storage below.
 *
 *     header    81 bytes  magic and version (8), length of the key's id (1), the id (32, zeros behind
 *                         it), salt (32), bytes of the blob in clear (8; all ones: not known beforehand)
 *     segments            64 KiB each but the last, encrypted, and 16 bytes of tag behind each
 *
 * An empty blob has one empty segment, so that each blob has a tag. All numbers are big-endian.
 * The arithmetic is exact both ways: the size in clear follows from the size at rest.
 */

export const SEGMENT_BYTES: number = 64 * 1024
export const TAG_BYTES = 16
export const SEALED_SEGMENT_BYTES: number = SEGMENT_BYTES + TAG_BYTES
export const SALT_BYTES = 32
/** In UTF-8. */
export const KEY_ID_BYTES_MAX = 32

const MAGIC: Buffer = Buffer.from('SLUSEAL\u0001', 'latin1')
const KEY_ID_AT = MAGIC.length + 1
const SALT_AT = KEY_ID_AT + KEY_ID_BYTES_MAX
const SIZE_AT = SALT_AT + SALT_BYTES
export const HEADER_BYTES: number = SIZE_AT + 8
const UNKNOWN_SIZE = 2n ** 64n - 1n

export interface SealHeader {
  readonly keyId: string
  readonly salt: Uint8Array
  /** Bytes in clear; undefined where the writer did not know them when it began. */
  readonly size: number | undefined
}

export function encodeHeader({ keyId, salt, size }: SealHeader): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(header)
  header[MAGIC.length] = header.write(keyId, KEY_ID_AT)
  header.set(salt, SALT_AT)
  header.writeBigUInt64BE(size === undefined ? UNKNOWN_SIZE : BigInt(size), SIZE_AT)
  return header
}

/** Undefined where this is no header of ours. Nothing of it is to be trusted before a tag was right. */
export function decodeHeader(bytes: Uint8Array): SealHeader | undefined {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const idBytes = header[MAGIC.length] ?? 0
  if (header.length !== HEADER_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC))
    return undefined
  if (idBytes === 0 || idBytes > KEY_ID_BYTES_MAX) return undefined
  const size = header.readBigUInt64BE(SIZE_AT)
  if (size !== UNKNOWN_SIZE && size > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  return {
    keyId: header.toString('utf8', KEY_ID_AT, KEY_ID_AT + idBytes),
    salt: header.subarray(SALT_AT, SIZE_AT),
    size: size === UNKNOWN_SIZE ? undefined : Number(size),
  }
}

export function segmentsOf(plainBytes: number): number {
  return Math.max(1, Math.ceil(plainBytes / SEGMENT_BYTES))
}

/** Bytes at rest of a blob of so many bytes in clear. */
export function sealedSizeOf(plainBytes: number): number {
  return HEADER_BYTES + plainBytes + segmentsOf(plainBytes) * TAG_BYTES
}

/** Bytes in clear of a blob of so many bytes at rest; undefined where no blob has that size. */
export function plainSizeOf(sealedBytes: number): number | undefined {
  const body = sealedBytes - HEADER_BYTES
  const plainBytes = body - Math.ceil(body / SEALED_SEGMENT_BYTES) * TAG_BYTES
  return body >= TAG_BYTES && sealedSizeOf(plainBytes) === sealedBytes ? plainBytes : undefined
}

/** Where a segment begins at rest. */
export function segmentAt(index: number): number {
  return HEADER_BYTES + index * SEALED_SEGMENT_BYTES
}
