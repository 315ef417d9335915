/**
 * A storage whose blobs are sealed at rest: encrypted and authenticated, segment by segment (see
 * `sealed-format.ts`, `sealed-segment.ts`). Whoever has the disk without the master key learns the
 * blobs' sizes and ids, and can change nothing unseen: what is not what was put is `BlobDamaged`.
 *
 * A range reads and opens the segments that it touches; what that needs of the header is kept for the
 * blobs used last, so that a small range is one read of the storage below.
 */
import { randomBytes } from 'node:crypto'
import { BlobDamaged, BlobMissing } from '../src/lib/store-error.ts'
import type { Body } from '../src/lib/stream.ts'
import { checkBlobId, checkDelete, checkRange } from './blob-claims.ts'
import { letGo } from './body-source.ts'
import { LentBuffers } from './lent-buffers.ts'
import {
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  plainSizeOf,
  SALT_BYTES,
  sealedSizeOf,
  SEGMENT_BYTES,
  segmentAt,
} from './sealed-format.ts'
import type { MasterKeys } from './sealed-keys.ts'
import { isMark } from './sealed-mark.ts'
import { OpeningBody } from './sealed-reader.ts'
import { SegmentCipher } from './sealed-segment.ts'
import { SealingBody } from './sealed-writer.ts'
import type { BlobId, BlobInfo, ByteRange, ObjectStorage, PutOptions } from './store.ts'

/** Blobs whose header and key are kept: about 4 MiB. */
const KNOWN_MAX = 4096
const NOTHING = new Uint8Array(0)

/** What has to be known of a blob to open a segment of it. */
interface Known {
  readonly cipher: SegmentCipher
  /** Bytes in clear. */
  readonly size: number
}

export class SealedStorage implements ObjectStorage {
  readonly name: string
  readonly #inner: ObjectStorage
  readonly #keys: MasterKeys
  readonly #buffers: LentBuffers
  /** The one used last stands last. */
  readonly #known = new Map<BlobId, Known>()

  /** `inner` is disposed of with this. `buffers`: of bodies on their way out. */
  constructor(inner: ObjectStorage, keys: MasterKeys, buffers: LentBuffers = new LentBuffers()) {
    this.#inner = inner
    this.#keys = keys
    this.#buffers = buffers
    this.name = `sealed-${inner.name}`
  }

  async put(id: BlobId, body: Body | Uint8Array, options: PutOptions = {}): Promise<BlobInfo> {
    checkBlobId(id)
    const announced = options.size ?? (body instanceof Uint8Array ? body.length : undefined)
    let cipher: SegmentCipher
    try {
      cipher = this.#newCipher(id, announced)
    } catch (error) {
      await letGo(body)
      throw error
    }
    const source = body instanceof Uint8Array ? wholeBody(body) : body
    const sealing = new SealingBody(source, cipher, announced)
    const { size: sealedSize } = await this.#inner.put(id, sealing, {
      ...(announced !== undefined && { size: sealedSizeOf(announced) }),
      ...(options.signal !== undefined && { signal: options.signal }),
    })
    const { size } = sealing
    if (sealedSize !== sealedSizeOf(size))
      throw new Error(`blob ${id}: ${sealedSize} bytes at rest are not ${size} in clear`)
    this.#remember({ cipher, size })
    return { id, size }
  }

  async get(id: BlobId, range?: ByteRange, signal?: AbortSignal): Promise<Body> {
    checkBlobId(id)
    if (range !== undefined) checkRange(id, range)
    signal?.throwIfAborted()
    return range === undefined ? this.#getWhole(id, signal) : this.#getRange(id, range, signal)
  }

  async delete(ids: readonly BlobId[]): Promise<void> {
    checkDelete(ids)
    for (const id of ids) this.#known.delete(id)
    await this.#inner.delete(ids)
  }

  /** Of a blob that cannot be one of ours by its size, the size is told as 0: reading it tells the rest. */
  async *list(after: BlobId): AsyncGenerator<BlobInfo> {
    for await (const { id, size } of this.#inner.list(after))
      if (!isMark(id)) yield { id, size: plainSizeOf(size) ?? 0 }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#known.clear()
    await this.#inner[Symbol.asyncDispose]()
  }

  async #getWhole(id: BlobId, signal: AbortSignal | undefined): Promise<Body> {
    const source = (await this.#inner.get(id, undefined, signal))[Symbol.asyncIterator]()
    let known: Known
    let rest: Uint8Array
    try {
      const [header, behind] = await takeHeader(id, source)
      // The header that is there now, whatever is known: nothing of what is read goes unseen.
      known = await this.#knowledgeOf(id, header)
      rest = behind
    } catch (error) {
      await source.return?.()
      throw error
    }
    return this.#open(source, rest, known, { start: 0, end: known.size }, signal)
  }

  async #getRange(id: BlobId, range: ByteRange, signal: AbortSignal | undefined): Promise<Body> {
    const known = this.#known.get(id) ?? (await this.#readHeader(id, signal))
    const { size } = known
    if (range.end > size)
      throw new BlobMissing(`blob ${id} ends at byte ${size}, before byte ${range.end}`)
    const start = segmentAt(Math.floor(range.start / SEGMENT_BYTES))
    const end = Math.min(segmentAt(Math.ceil(range.end / SEGMENT_BYTES)), sealedSizeOf(size))
    const body = await this.#inner.get(id, { start, end }, signal)
    return this.#open(body[Symbol.asyncIterator](), NOTHING, known, range, signal)
  }

  async #open(
    source: AsyncIterator<Uint8Array>,
    first: Uint8Array,
    { cipher, size }: Known,
    range: ByteRange,
    signal: AbortSignal | undefined,
  ): Promise<Body> {
    const body = new OpeningBody(source, first, { cipher, size, range, signal }, this.#buffers)
    await body.begin()
    this.#remember({ cipher, size })
    return body
  }

  async #readHeader(id: BlobId, signal: AbortSignal | undefined): Promise<Known> {
    const body = await this.#inner.get(id, { start: 0, end: HEADER_BYTES }, signal)
    const source = body[Symbol.asyncIterator]()
    try {
      const [header] = await takeHeader(id, source)
      return await this.#knowledgeOf(id, header)
    } finally {
      await source.return?.()
    }
  }

  async #knowledgeOf(id: BlobId, header: Buffer): Promise<Known> {
    const known = this.#known.get(id)
    if (known?.cipher.header.equals(header) === true) return known
    const decoded = decodeHeader(header)
    if (decoded === undefined)
      throw new BlobDamaged(`blob ${id} does not begin as a sealed blob does`)
    const key = this.#keys.keyOf(decoded.keyId, id, decoded.salt)
    const size = decoded.size ?? (await this.#listedSize(id))
    return { cipher: new SegmentCipher(id, header, key), size }
  }

  /** The size of a blob whose writer did not know it when it wrote the header. */
  async #listedSize(id: BlobId): Promise<number> {
    for await (const blob of this.#inner.list(id.slice(0, -1))) {
      if (blob.id < id) continue
      if (blob.id !== id) break
      const size = plainSizeOf(blob.size)
      if (size === undefined) throw new BlobDamaged(`blob ${id} is cut or longer than it was`)
      return size
    }
    throw new BlobMissing(`blob ${id} is missing`)
  }

  #newCipher(id: BlobId, size: number | undefined): SegmentCipher {
    const salt = randomBytes(SALT_BYTES)
    const keyId = this.#keys.current
    return new SegmentCipher(
      id,
      encodeHeader({ keyId, salt, size }),
      this.#keys.keyOf(keyId, id, salt),
    )
  }

  #remember(known: Known): void {
    const { id } = known.cipher
    this.#known.delete(id)
    this.#known.set(id, known)
    if (this.#known.size <= KNOWN_MAX) return
    const [oldest] = this.#known.keys()
    this.#known.delete(oldest!)
  }
}

/** The header, copied, and what has come behind it. */
async function takeHeader(
  id: BlobId,
  source: AsyncIterator<Uint8Array>,
): Promise<[header: Buffer, behind: Uint8Array]> {
  const header = Buffer.alloc(HEADER_BYTES)
  for (let at = 0; ;) {
    const { done, value } = await source.next()
    if (done === true) throw new BlobDamaged(`blob ${id} ends in its header`)
    header.set(value.subarray(0, HEADER_BYTES - at), at)
    const taken = Math.min(value.length, HEADER_BYTES - at)
    at += taken
    if (at === HEADER_BYTES) return [header, value.subarray(taken)]
  }
}

async function* wholeBody(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes
}
