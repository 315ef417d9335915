/**
 * Bodies on their way into a bucket of Google Cloud Storage: whole, or one after the other into a
 * session of a resumable upload. The service verifies the CRC32C of the whole blob, and what it says it
 * has stored is compared once more.
 */
import { BlobDamaged } from '../src/lib/store-error.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GcsBucket } from './gcs-bucket.ts'
import type { GcsAnswer } from './gcs-client.ts'
import { answerOf, NO_SESSION } from './gcs-errors.ts'
import type { Part, Parts } from './remote-service.ts'
import type { BlobId } from './store.ts'

/** As the service has stored it. */
interface Stored {
  /** Bytes, in decimal digits. */
  readonly size?: string
  readonly crc32c?: string
}

/** The service has taken the bytes up to where it says, and waits for those behind. */
const MORE_TO_COME = 308
/** Answers in a row that take none of a part's bytes. */
const STANDSTILLS_MAX = 5
const STANDSTILL_WAIT_MS = 200
const TYPE = 'application/octet-stream'

export async function putObject(
  bucket: GcsBucket,
  id: BlobId,
  bytes: Uint8Array,
  checksum: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { data } = await bucket.client.call<Stored>({
    method: 'POST',
    url: bucket.uploadUrl(id),
    headers: { 'content-type': TYPE, 'x-goog-hash': `crc32c=${checksum}` },
    body: bytes,
    signal,
  })
  await checkStored(bucket, id, data, bytes.length, checksum)
}

/** What arrived otherwise than it was sent is removed: nothing has named it yet. */
async function checkStored(
  bucket: GcsBucket,
  id: BlobId,
  { size, crc32c }: Stored,
  sizeBytes: number,
  checksum: string,
): Promise<void> {
  if (Number(size) === sizeBytes && crc32c === checksum) return
  await bucket
    .file(id)
    .delete()
    .catch(() => {})
  const stored = `${size} bytes with CRC32C ${crc32c}`
  throw new BlobDamaged(`blob ${id}: ${sizeBytes} bytes with CRC32C ${checksum} became ${stored}`)
}

export class GcsParts implements Parts {
  readonly #bucket: GcsBucket
  readonly #id: BlobId
  readonly #session: string
  #isStored = false

  private constructor(bucket: GcsBucket, id: BlobId, session: string) {
    this.#bucket = bucket
    this.#id = id
    this.#session = session
  }

  static async begin(bucket: GcsBucket, id: BlobId): Promise<GcsParts> {
    const file = bucket.file(id)
    const metadata = { contentType: TYPE }
    const [session] = await bucket.client.tried(() => file.createResumableUpload({ metadata }))
    if (!session) throw new Error('the service has begun an upload without an address')
    return new GcsParts(bucket, id, bucket.given(session))
  }

  /** Bytes that the service has already are ignored by it, so that a part may be sent again from its start. */
  async send(part: Part, signal: AbortSignal): Promise<void> {
    const end = part.startByte + part.bytes.length
    let standstills = 0
    for (let at = part.startByte; ;) {
      const answer = await this.#put(part, at, signal)
      if (answer.status !== MORE_TO_COME) {
        if (!part.isLast)
          throw new Error(`blob ${this.#id} was ended by the service at byte ${end}`)
        this.#isStored = true
        return checkStored(this.#bucket, this.#id, answer.data, end, part.checksum ?? '')
      }
      const reached = Number(/-(\d+)$/.exec(answer.headers.get('range') ?? '')?.[1] ?? -1) + 1
      if (reached < at || reached > end)
        throw new Error(`blob ${this.#id}: the service is at byte ${reached}, not ${at}`)
      if (reached === end && !part.isLast) return
      standstills = reached === at ? standstills + 1 : 0
      if (standstills > STANDSTILLS_MAX)
        throw new Error(`blob ${this.#id}: the service takes no more bytes behind ${at}`)
      if (standstills > 0) await sleep(STANDSTILL_WAIT_MS * standstills, undefined, { signal })
      at = reached
    }
  }

  /** The last part has done it. */
  async complete(): Promise<void> {}

  /** Sessions that are not ended are forgotten after a week, and cost nothing. */
  async abort(): Promise<void> {
    if (this.#isStored) return
    // Its success is a 499.
    await this.#bucket.client
      .call({ method: 'DELETE', url: this.#session, accepted: 499 })
      .catch(() => {})
  }

  async #put(part: Part, at: number, signal: AbortSignal): Promise<GcsAnswer<Stored>> {
    const { startByte, bytes, checksum, isLast } = part
    const end = startByte + bytes.length
    const total = isLast ? String(end) : '*'
    const place = at === end ? '*' : `${at}-${end - 1}`
    try {
      return await this.#bucket.client.call<Stored>({
        method: 'PUT',
        url: this.#session,
        headers: {
          'content-range': `bytes ${place}/${total}`,
          ...(checksum === undefined ? {} : { 'x-goog-hash': `crc32c=${checksum}` }),
        },
        body: bytes.subarray(at - startByte),
        accepted: MORE_TO_COME,
        signal,
      })
    } catch (error) {
      const { status } = answerOf(error)
      if (status !== 404 && status !== 410) throw error
      throw Object.assign(new Error(`the upload is forgotten`), { code: NO_SESSION, cause: error })
    }
  }
}
