/** A small object, read whole. */
import { S3Error } from '../api/error.ts'
import type { Call, S3Api } from '../api/operations.ts'
import type { ObjectPlace } from './file-store.ts'

/** Rejects as GetObject does, and with EntityTooLarge over `sizeMax` bytes. */
export async function readWhole(
  api: S3Api,
  { bucket: Bucket, key: Key }: ObjectPlace,
  call: Call,
  sizeMax: number,
): Promise<Buffer> {
  const { Body: body, ContentLength: size = 0 } = await api.GetObject!({ Bucket, Key }, call)
  const chunks: Buffer[] = []
  if (size > sizeMax) {
    if (body !== undefined && !(body instanceof Uint8Array))
      await body[Symbol.asyncIterator]().return?.()
    throw new S3Error('EntityTooLarge', { message: `${Key} has more than ${sizeMax} bytes.` })
  }
  if (body instanceof Uint8Array) return Buffer.from(body)
  // Chunks are the reader's only until the next one.
  if (body !== undefined) for await (const chunk of body) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
