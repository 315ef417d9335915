/**
 * A remote S3 as a `TorrentS3`: the same operations, sent by @aws-sdk/client-s3, which is loaded when it
 * is asked for. Members are the model's on both sides; only bodies differ.
 */
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import type { Payload } from '../../api/payload.ts'
import type { Body } from '../../lib/stream.ts'
import type { TorrentS3 } from './torrent-s3.ts'

export interface RemoteS3 extends AsyncDisposable {
  readonly api: TorrentS3
}

export async function openRemoteS3(config: S3ClientConfig): Promise<RemoteS3> {
  const sdk = await import('@aws-sdk/client-s3')
  const client: S3Client = new sdk.S3Client({
    // Ranges have no checksum, and a part that is copied has none that was asked for.
    requestChecksumCalculation: 'WHEN_SUPPORTED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    ...config,
  })
  const api: TorrentS3 = {
    AbortMultipartUpload: (input) => client.send(new sdk.AbortMultipartUploadCommand(input)),
    CompleteMultipartUpload: (input) => client.send(new sdk.CompleteMultipartUploadCommand(input)),
    CreateMultipartUpload: (input) => client.send(new sdk.CreateMultipartUploadCommand(input)),
    DeleteObject: (input) => client.send(new sdk.DeleteObjectCommand(input)),
    DeleteObjects: (input) => client.send(new sdk.DeleteObjectsCommand(input)),
    GetObject: async (input) => {
      const output = await client.send(new sdk.GetObjectCommand(input))
      return { ...output, Body: output.Body as unknown as Body }
    },
    HeadObject: (input) => client.send(new sdk.HeadObjectCommand(input)),
    ListObjectVersions: (input) => client.send(new sdk.ListObjectVersionsCommand(input)),
    ListObjectsV2: (input) => client.send(new sdk.ListObjectsV2Command(input)),
    PutObject: async ({ Body: payload, ...input }) =>
      client.send(new sdk.PutObjectCommand({ ...input, Body: await wholeOf(payload) })),
    UploadPart: async ({ Body: payload, ...input }) =>
      client.send(new sdk.UploadPartCommand({ ...input, Body: await wholeOf(payload) })),
    UploadPartCopy: (input) => client.send(new sdk.UploadPartCopyCommand(input)),
  }
  return {
    api,
    async [Symbol.asyncDispose]() {
      client.destroy()
    },
  }
}

/** In one piece, so that the client can send it again. */
async function wholeOf(payload: Payload | undefined): Promise<Uint8Array> {
  const taken = await payload?.take(Number.POSITIVE_INFINITY, [])
  return taken instanceof Uint8Array ? taken : new Uint8Array(0)
}
