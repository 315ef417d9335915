/**
 * Bodies on their way into a container of Azure: whole, or as blocks that a list makes a blob of. Each
 * goes with its checksum, which the service verifies.
 */
import { randomBytes } from 'node:crypto'
import type { BlockBlobClient } from '@azure/storage-blob'
import type { AzureContainer } from './azure-container.ts'
import { PART_BYTES } from './remote-memory.ts'
import type { Part, Parts } from './remote-service.ts'
import type { BlobId } from './store.ts'

/** Azure takes 50,000 blocks of up to 4,000 MiB: they double every so many. */
const DOUBLING = 5000
const BLOCK_BYTES_MAX = 1024 ** 3
const NONCE_BYTES = 8
const TYPE = { blobContentType: 'application/octet-stream' }

/** Bytes of the block of that number (from 1 on). */
export function blockBytes(number: number): number {
  return Math.min(PART_BYTES * 2 ** Math.floor((number - 1) / DOUBLING), BLOCK_BYTES_MAX)
}

/** S3's CRC64NVME is Azure's CRC64, with its bytes the other way round. */
function checked(
  { checksum }: AzureContainer,
  value: string,
):
  | { readonly transactionalContentCrc64: Uint8Array }
  | { readonly transactionalContentMD5: Uint8Array } {
  const bytes = Buffer.from(value, 'base64')
  return checksum === 'md5'
    ? { transactionalContentMD5: bytes }
    : { transactionalContentCrc64: bytes.reverse() }
}

export async function putBlob(
  container: AzureContainer,
  id: BlobId,
  bytes: Uint8Array,
  checksum: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const options = {
    blobHTTPHeaders: TYPE,
    ...checked(container, checksum),
    ...(signal === undefined ? {} : { abortSignal: signal }),
  }
  const blob = container.blob(id)
  await container.tried(() => blob.upload(bytes, bytes.length, options), signal)
}

export class AzureBlocks implements Parts {
  readonly #container: AzureContainer
  readonly #blob: BlockBlobClient
  /** A block of an attempt that failed, should it come late, is none of this one. */
  readonly #nonce = randomBytes(NONCE_BYTES)
  readonly #ids: string[] = []

  constructor(container: AzureContainer, id: BlobId) {
    this.#container = container
    this.#blob = container.blob(id)
  }

  async send({ number, bytes, checksum = '' }: Part, signal: AbortSignal): Promise<void> {
    const id = this.#blockId(number)
    this.#ids[number - 1] = id
    const options = { ...checked(this.#container, checksum), abortSignal: signal }
    await this.#container.tried(
      () => this.#blob.stageBlock(id, bytes, bytes.length, options),
      signal,
    )
  }

  /** May be repeated: blocks that are the blob's already are taken as they are. */
  async complete(): Promise<void> {
    const options = { blobHTTPHeaders: TYPE }
    await this.#container.tried(() => this.#blob.commitBlockList(this.#ids, options))
  }

  /** Azure has no word for it: blocks that no list names are gone after a week. */
  async abort(): Promise<void> {}

  /** All of one length, as Azure wants it. */
  #blockId(number: number): string {
    const bytes = Buffer.alloc(NONCE_BYTES + 4)
    this.#nonce.copy(bytes)
    bytes.writeUInt32BE(number, NONCE_BYTES)
    return bytes.toString('base64')
  }
}
