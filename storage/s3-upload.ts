/**
 * One blob on its way into the bucket: in one request where it fits into a part, else in parts of
 * which a few are on their way at a time. Each goes with its checksum, made as the bytes came in.
 *
 * Nothing shows before `finish`; whoever does not come to it calls `abort`, which leaves nothing.
 */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { createDigest, type Digest, digestOf } from '../src/lib/digest.ts'
import type { Bucket } from './s3-bucket.ts'
import { answerOf, isUncertain } from './s3-errors.ts'
import { partBytes, type UploadMemory } from './s3-memory.ts'
import type { BlobId } from './store.ts'

const PARTS_AT_ONCE = 3

type Checksums = { readonly ChecksumCRC32: string } | { readonly ContentMD5: string }

/** A blob that is in memory, in one request. */
export async function putBytes(
  bucket: Bucket,
  id: BlobId,
  bytes: Uint8Array,
  checksums: Checksums = checksumsOf(bucket, digestOf(algorithmOf(bucket), bytes)),
  signal?: AbortSignal,
): Promise<void> {
  const input = { ...bucket.at(id), Body: bytes, ContentLength: bytes.length, ...checksums }
  try {
    await bucket.client.send(new PutObjectCommand(input), sendOptions(signal))
  } catch (error) {
    if (isUncertain(error)) await removeIfItCame(bucket, id)
    throw error
  }
}

export class Upload {
  readonly #bucket: Bucket
  readonly #id: BlobId
  readonly #size: number | undefined
  readonly #memory: UploadMemory
  readonly #ending = new AbortController()
  /** Ends the parts on their way: the caller's, or `abort`. */
  readonly #signal: AbortSignal
  #digest: Digest
  #filling: Buffer | undefined
  #filled = 0
  #uploadId: string | undefined
  readonly #parts: CompletedPart[] = []
  readonly #flying = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  #sentBytes = 0

  /** `size`: bytes to come, where known. */
  constructor(
    bucket: Bucket,
    id: BlobId,
    size: number | undefined,
    memory: UploadMemory,
    signal: AbortSignal | undefined,
  ) {
    this.#bucket = bucket
    this.#id = id
    this.#size = size
    this.#memory = memory
    this.#digest = createDigest(algorithmOf(bucket))
    const ending = this.#ending.signal
    this.#signal = signal === undefined ? ending : AbortSignal.any([signal, ending])
  }

  /**
   * Takes the chunk in; it may be reused once this returns, or once the promise that it returns
   * resolves. Never more than `size` bytes in all.
   */
  add(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#filling === undefined || chunk.length > this.#room()) return this.#addOver(chunk)
    this.#copy(chunk)
    return undefined
  }

  /** Makes the blob visible; all of it is stored once this resolves. */
  async finish(): Promise<void> {
    if (this.#uploadId === undefined) {
      const bytes = this.#filling?.subarray(0, this.#filled) ?? new Uint8Array(0)
      const checksums = checksumsOf(this.#bucket, this.#digest.value())
      await putBytes(this.#bucket, this.#id, bytes, checksums, this.#signal)
      this.#giveBack()
      return
    }
    await this.#sendPart()
    while (this.#flying.size > 0) await Promise.race(this.#flying)
    this.#throwIfFailed()
    this.#signal.throwIfAborted()
    await this.#complete(this.#uploadId)
  }

  /** Lets everything go. What the service cannot be told now is found when a storage is opened, a day later. */
  async abort(): Promise<void> {
    this.#giveBack()
    this.#ending.abort()
    await Promise.all(this.#flying)
    if (this.#uploadId === undefined) return
    const input = { ...this.#bucket.at(this.#id), UploadId: this.#uploadId }
    await this.#bucket.client.send(new AbortMultipartUploadCommand(input)).catch(() => {})
  }

  #partLimit(): number {
    return partBytes(this.#parts.length + 1, this.#size)
  }

  #room(): number {
    return Math.min(this.#filling?.length ?? 0, this.#partLimit()) - this.#filled
  }

  #copy(bytes: Uint8Array): void {
    this.#digest.update(bytes)
    this.#filling?.set(bytes, this.#filled)
    this.#filled += bytes.length
  }

  async #addOver(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      if (this.#filling === undefined) await this.#takeBuffer()
      if (this.#room() === 0) {
        // A full part is sent when there is more to come: what fits into one goes without.
        await this.#sendPart()
        continue
      }
      const some = chunk.subarray(at, at + this.#room())
      this.#copy(some)
      at += some.length
    }
  }

  async #takeBuffer(): Promise<void> {
    const limit = this.#partLimit()
    const rest = this.#size === undefined ? limit : this.#size - this.#sentBytes
    this.#filling = await this.#memory.take(
      Math.min(limit, rest),
      () => this.#flying.size > 0,
      this.#signal,
    )
  }

  #giveBack(): void {
    if (this.#filling !== undefined) this.#memory.give(this.#filling)
    this.#filling = undefined
    this.#filled = 0
  }

  async #sendPart(): Promise<void> {
    if (this.#filling === undefined) return
    this.#uploadId ??= await this.#create()
    while (this.#flying.size >= PARTS_AT_ONCE) await Promise.race(this.#flying)
    this.#throwIfFailed()
    this.#signal.throwIfAborted()
    const buffer = this.#filling
    const bytes = buffer.subarray(0, this.#filled)
    this.#filling = undefined
    this.#filled = 0
    this.#sentBytes += bytes.length
    const checksums = checksumsOf(this.#bucket, this.#digest.value())
    this.#digest = createDigest(algorithmOf(this.#bucket))
    const part: CompletedPart = { PartNumber: this.#parts.length + 1, ...crcOf(checksums) }
    this.#parts.push(part)
    const flight: Promise<void> = this.#fly(this.#uploadId, part, bytes, checksums).finally(() => {
      this.#flying.delete(flight)
      this.#memory.give(buffer)
    })
    this.#flying.add(flight)
  }

  /** Never rejects: whoever looks next meets the failure. */
  async #fly(
    UploadId: string,
    part: CompletedPart,
    bytes: Uint8Array,
    checksums: Checksums,
  ): Promise<void> {
    const { PartNumber } = part
    const sizes = { Body: bytes, ContentLength: bytes.length, PartNumber, UploadId }
    const input = { ...this.#bucket.at(this.#id), ...sizes, ...checksums }
    try {
      const command = new UploadPartCommand(input)
      const { ETag } = await this.#bucket.client.send(command, sendOptions(this.#signal))
      part.ETag = ETag
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #create(): Promise<string> {
    const input = {
      ...this.#bucket.at(this.#id),
      ...(this.#bucket.checksum === 'crc32' ? { ChecksumAlgorithm: 'CRC32' as const } : {}),
    }
    // Not ended by the signal: an upload that was begun all the same would stay.
    const { UploadId } = await this.#bucket.client.send(new CreateMultipartUploadCommand(input))
    if (UploadId === undefined) throw new Error('the service has begun an upload without an id')
    this.#uploadId = UploadId
    this.#signal.throwIfAborted()
    return UploadId
  }

  /** A try whose answer was lost may have gone through: then the upload is gone, and the blob is there. */
  async #complete(UploadId: string): Promise<void> {
    const input = {
      ...this.#bucket.at(this.#id),
      UploadId,
      MultipartUpload: { Parts: this.#parts },
    }
    try {
      await this.#bucket.client.send(new CompleteMultipartUploadCommand(input))
    } catch (error) {
      if (answerOf(error).code === 'NoSuchUpload' && (await this.#isThere())) return
      if (isUncertain(error)) await removeIfItCame(this.#bucket, this.#id)
      throw error
    }
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

/** What could not be removed is a blob that no row names: the search for orphans finds it. */
async function removeIfItCame(bucket: Bucket, id: BlobId): Promise<void> {
  await bucket.client.send(new DeleteObjectCommand(bucket.at(id))).catch(() => {})
}

function sendOptions(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

function algorithmOf({ checksum }: Bucket): 'CRC32' | 'MD5' {
  return checksum === 'crc32' ? 'CRC32' : 'MD5'
}

function checksumsOf({ checksum }: Bucket, value: string): Checksums {
  return checksum === 'crc32' ? { ChecksumCRC32: value } : { ContentMD5: value }
}

function crcOf(checksums: Checksums): Pick<CompletedPart, 'ChecksumCRC32'> {
  return 'ChecksumCRC32' in checksums ? checksums : {}
}
