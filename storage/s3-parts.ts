/** Bodies on their way into a bucket: whole, or as the parts of an upload. */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { Part, Parts } from './remote-service.ts'
import { PART_BYTES } from './remote-memory.ts'
import type { Bucket } from './s3-bucket.ts'
import { answerOf } from './s3-errors.ts'
import type { BlobId } from './store.ts'

/** Bounds of S3: parts of an upload. */
const PARTS_MAX = 10_000
/** Where the size is not known, parts double every so many: 8 TiB in all. */
const DOUBLING = 1000
const MIB = 1024 ** 2

/**
 * Bytes of the part of that number (from 1 on), unless it is the last. Equal for all parts where the
 * size is known, as some services want it.
 */
export function partBytes(number: number, sizeBytes: number | undefined): number {
  if (sizeBytes !== undefined)
    return Math.max(PART_BYTES, Math.ceil(sizeBytes / PARTS_MAX / MIB) * MIB)
  return PART_BYTES * 2 ** Math.floor((number - 1) / DOUBLING)
}

export async function putObject(
  bucket: Bucket,
  id: BlobId,
  bytes: Uint8Array,
  checksum: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const sums = checksumsOf(bucket, checksum)
  const input = { ...bucket.at(id), Body: bytes, ContentLength: bytes.length, ...sums }
  await bucket.client.send(new PutObjectCommand(input), sendOptions(signal))
}

export class S3Parts implements Parts {
  readonly #bucket: Bucket
  readonly #id: BlobId
  readonly #uploadId: string
  readonly #parts: CompletedPart[] = []
  #sentBytes = 0

  private constructor(bucket: Bucket, id: BlobId, uploadId: string) {
    this.#bucket = bucket
    this.#id = id
    this.#uploadId = uploadId
  }

  static async begin(bucket: Bucket, id: BlobId): Promise<S3Parts> {
    const input = {
      ...bucket.at(id),
      ...(bucket.checksum === 'crc32' ? { ChecksumAlgorithm: 'CRC32' as const } : {}),
    }
    const { UploadId } = await bucket.client.send(new CreateMultipartUploadCommand(input))
    if (UploadId === undefined) throw new Error('the service has begun an upload without an id')
    return new S3Parts(bucket, id, UploadId)
  }

  async send({ number, bytes, checksum = '' }: Part, signal: AbortSignal): Promise<void> {
    const sums = checksumsOf(this.#bucket, checksum)
    const part: CompletedPart = { PartNumber: number, ...('ChecksumCRC32' in sums ? sums : {}) }
    this.#parts[number - 1] = part
    this.#sentBytes += bytes.length
    const place = { ...this.#bucket.at(this.#id), PartNumber: number, UploadId: this.#uploadId }
    const input = { ...place, Body: bytes, ContentLength: bytes.length, ...sums }
    const command = new UploadPartCommand(input)
    const { ETag } = await this.#bucket.client.send(command, sendOptions(signal))
    part.ETag = ETag
  }

  /** A try whose answer was lost may have gone through: then the upload is gone, and the blob is there. */
  async complete(): Promise<void> {
    const input = {
      ...this.#bucket.at(this.#id),
      UploadId: this.#uploadId,
      MultipartUpload: { Parts: this.#parts },
    }
    try {
      await this.#bucket.client.send(new CompleteMultipartUploadCommand(input))
    } catch (error) {
      if (answerOf(error).code === 'NoSuchUpload' && (await this.#isThere())) return
      throw error
    }
  }

  async abort(): Promise<void> {
    const input = { ...this.#bucket.at(this.#id), UploadId: this.#uploadId }
    await this.#bucket.client.send(new AbortMultipartUploadCommand(input)).catch(() => {})
  }

  async #isThere(): Promise<boolean> {
    try {
      const head = new HeadObjectCommand(this.#bucket.at(this.#id))
      const { ContentLength } = await this.#bucket.client.send(head)
      return ContentLength === this.#sentBytes
    } catch {
      return false
    }
  }
}

function sendOptions(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

function checksumsOf(
  { checksum }: Bucket,
  value: string,
): { readonly ChecksumCRC32: string } | { readonly ContentMD5: string } {
  return checksum === 'crc32' ? { ChecksumCRC32: value } : { ContentMD5: value }
}
