/** For tests: the operations of multipart uploads of the key `big` in the bucket `b`, in short. */
import type { CompletedPart } from '@aws-sdk/client-s3'
import type { ChecksumAlgorithm } from '../api/checksum.ts'
import type { Input, Output } from '../api/operations.ts'
import { abortMultipartUpload } from './abort-upload.ts'
import { completeMultipartUpload } from './complete-upload.ts'
import { createMultipartUpload } from './create-upload.ts'
import { listParts } from './list-parts.ts'
import { listMultipartUploads } from './list-uploads.ts'
import { BytesPayload, CALL, Fixture } from './s3.fixture.ts'
import { uploadPart } from './upload-part.ts'
import { uploadPartCopy } from './upload-part-copy.ts'

/** A part's number and ETag, with its checksum where there is one, as Complete wants them. */
export type Parts = readonly CompletedPart[]

export class Uploads extends Fixture {
  async begin(more: Partial<Input<'CreateMultipartUpload'>> = {}): Promise<string> {
    const input = { Bucket: 'b', Key: 'big', ...more }
    return (await createMultipartUpload(this.ctx)(input, CALL)).UploadId!
  }

  part(
    UploadId: string,
    PartNumber: number,
    body: string | Uint8Array,
    algorithm?: ChecksumAlgorithm,
    more: Partial<Input<'UploadPart'>> = {},
  ): Promise<Output<'UploadPart'>> {
    const Body = new BytesPayload(Buffer.from(body), { ...(algorithm && { algorithm }) })
    const input = { Bucket: 'b', Key: 'big', UploadId, PartNumber, Body, ...more }
    return uploadPart(this.ctx)(input, CALL)
  }

  /** Uploads parts 1, 2, ... and gives what Complete is to be told of them. */
  async parts(UploadId: string, ...bodies: readonly (string | Uint8Array)[]): Promise<Parts> {
    const parts: CompletedPart[] = []
    for (const [index, body] of bodies.entries()) {
      const { ETag } = await this.part(UploadId, index + 1, body)
      parts.push({ PartNumber: index + 1, ETag })
    }
    return parts
  }

  copyPart(
    UploadId: string,
    PartNumber: number,
    CopySource: string,
    more: Partial<Input<'UploadPartCopy'>> = {},
  ): Promise<Output<'UploadPartCopy'>> {
    const input = { Bucket: 'b', Key: 'big', UploadId, PartNumber, CopySource, ...more }
    return uploadPartCopy(this.ctx)(input, CALL)
  }

  complete(
    UploadId: string,
    parts: Parts,
    more: Partial<Input<'CompleteMultipartUpload'>> = {},
  ): Promise<Output<'CompleteMultipartUpload'>> {
    const MultipartUpload = { Parts: [...parts] }
    const input = { Bucket: 'b', Key: 'big', UploadId, MultipartUpload, ...more }
    return completeMultipartUpload(this.ctx)(input, CALL)
  }

  abort(UploadId: string): Promise<Output<'AbortMultipartUpload'>> {
    return abortMultipartUpload(this.ctx)({ Bucket: 'b', Key: 'big', UploadId }, CALL)
  }

  listParts(
    UploadId: string,
    more: Partial<Input<'ListParts'>> = {},
  ): Promise<Output<'ListParts'>> {
    return listParts(this.ctx)({ Bucket: 'b', Key: 'big', UploadId, ...more }, CALL)
  }

  listUploads(
    more: Partial<Input<'ListMultipartUploads'>> = {},
  ): Promise<Output<'ListMultipartUploads'>> {
    return listMultipartUploads(this.ctx)({ Bucket: 'b', ...more }, CALL)
  }

  /** Rows left of a table in the bucket's partition. */
  async rows(table: 'part' | 'page' | 'upload' | 'garbage'): Promise<readonly string[]> {
    const rows = await this.ctx.metadata.scan('b', table, { from: '', limit: 1000 })
    return rows.map((row) => row.sort)
  }
}

/** How an operation ended: `done`, or the code of its error. */
export async function outcome(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'done'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
