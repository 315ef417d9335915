/** Inventory reports as they are written into their bucket: data files, a manifest that names them, its MD5, and links for Hive. */
import { hash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { InventoryConfiguration } from '@aws-sdk/client-s3'
import { UNRESTRICTED } from '../api/access.ts'
import type { Call } from '../api/operations.ts'
import { payloadOf } from '../api/payload-of.ts'
import type { Context } from './context.ts'
import type { LineWriter } from './inventory-line.ts'
import { putObject } from './put-object.ts'
import type { BucketRow } from './rows.ts'

/** As policies name who writes them. */
const SERVICE = 's3.amazonaws.com'
const packed = promisify(gzip)

/** A file of a report, as its manifest names it. */
export type DataFile = { readonly key: string; readonly size: number; readonly MD5checksum: string }

/** One configuration, with what follows from it. */
export interface Inventory {
  readonly bucket: string
  readonly row: BucketRow
  readonly id: string
  readonly configuration: InventoryConfiguration
  readonly target: string
  readonly writer: LineWriter
}

/** Rejects unless it is a bucket of the same owner, or one whose policy lets S3 write the reports of that bucket. */
export async function checkReportTarget(
  ctx: Context,
  { bucket, row, target, configuration }: Inventory,
): Promise<void> {
  const { value: there } = await ctx.buckets.read(target)
  if (there.owner[0] === row.owner[0]) return
  const id = there.config?.['policy']
  const text = id === undefined ? undefined : await ctx.configs.read(target, 'policy', id)
  const act = {
    service: SERVICE,
    action: 's3:PutObject',
    bucket: target,
    key: configuration.Destination?.S3BucketDestination?.Prefix ?? '',
    sourceBucket: bucket,
    sourceOwner: row.owner[0],
  }
  if (typeof text === 'string' && ctx.policies.lets(text, act)) return
  throw new Error(`the bucket ${target} takes no inventory reports of ${bucket}`)
}

export class ReportWriter {
  readonly #ctx: Context
  readonly #inventory: Inventory
  readonly #signal: AbortSignal

  constructor(ctx: Context, inventory: Inventory, signal: AbortSignal) {
    this.#ctx = ctx
    this.#inventory = inventory
    this.#signal = signal
  }

  /** One file of the report. */
  async data(lines: readonly string[]): Promise<DataFile> {
    const bytes = await packed(lines.join(''))
    const key = `${this.#folder()}data/${this.#ctx.ids.next().toLowerCase()}.csv.gz`
    await this.#put(key, bytes, 'application/gzip')
    return { key, size: bytes.length, MD5checksum: hash('md5', bytes) }
  }

  /** The files first, then what names them: a manifest that is there is whole. */
  async manifest(begun: number, files: readonly DataFile[]): Promise<void> {
    const { bucket, target, writer } = this.#inventory
    const manifest = JSON.stringify({
      sourceBucket: bucket,
      destinationBucket: `arn:aws:s3:::${target}`,
      version: '2016-11-30',
      creationTimestamp: String(begun),
      fileFormat: 'CSV',
      fileSchema: writer.schema,
      files,
    })
    const time = new Date(begun).toISOString()
    const day = `${time.slice(0, 10)}T${time.slice(11, 13)}-${time.slice(14, 16)}Z`
    const folder = `${this.#folder()}${day}/`
    const bytes = Buffer.from(manifest)
    await this.#put(`${folder}manifest.json`, bytes, 'application/json')
    const sum = Buffer.from(hash('md5', bytes))
    await this.#put(`${folder}manifest.checksum`, sum, 'text/plain')
    const dt = day.slice(0, 16).replace('T', '-')
    const links = files.map(({ key }) => `s3://${target}/${key}`).join('\n')
    const symlink = `${this.#folder()}hive/dt=${dt}/symlink.txt`
    await this.#put(symlink, Buffer.from(links), 'text/plain')
  }

  /** `prefix/source/id/` */
  #folder(): string {
    const { bucket, id, configuration } = this.#inventory
    const prefix = configuration.Destination?.S3BucketDestination?.Prefix ?? ''
    return `${prefix === '' ? '' : `${prefix.replace(/\/$/, '')}/`}${bucket}/${id}/`
  }

  async #put(Key: string, bytes: Uint8Array, ContentType: string): Promise<void> {
    const { target, configuration } = this.#inventory
    const { value: there } = await this.#ctx.buckets.read(target)
    const { SSES3, SSEKMS } = configuration.Destination?.S3BucketDestination?.Encryption ?? {}
    const call: Call = {
      requestId: '',
      requester: { id: there.owner[0], displayName: there.owner[1] },
      access: UNRESTRICTED,
      signal: this.#signal,
    }
    await putObject(this.#ctx)(
      {
        Bucket: target,
        Key,
        Body: payloadOf(bytes),
        ContentType,
        ...(SSES3 !== undefined && { ServerSideEncryption: 'AES256' as const }),
        ...(SSEKMS !== undefined && {
          ServerSideEncryption: 'aws:kms' as const,
          SSEKMSKeyId: SSEKMS.KeyId,
        }),
      },
      call,
    )
  }
}
