/**
 * Server access logs: a line for each request to a bucket that asks for it (PutBucketLogging), in S3's
 * format, delivered as objects to the bucket that it names.
 *
 * As on S3, delivery is a matter of minutes and of best effort: lines wait in memory, so those of the last
 * minutes are lost with a process that does not end well, and lines beyond a bound are dropped (and
 * counted). A request never waits for its line.
 */
import type { LoggingEnabled } from '@aws-sdk/client-s3'
import { setTimeout as sleep } from 'node:timers/promises'
import { UNRESTRICTED } from '../api/access.ts'
import { MODEL } from '../api/model.gen.ts'
import type { Call } from '../api/operations.ts'
import { payloadOf } from '../api/payload-of.ts'
import type { Counter, Meter } from '../lib/meter.ts'
import { readConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { takesLogs } from './log-target.ts'
import { putObject } from './put-object.ts'
import type { BucketRow } from './rows.ts'

/** What is known of a request once it is over. */
export interface AccessEntry {
  readonly requestId: string
  readonly method: string
  /** As it came, with its query. */
  readonly target: string
  readonly operation: string | undefined
  readonly bucket: string | undefined
  readonly key: string | undefined
  readonly status: number
  readonly code: string | undefined
  readonly bytesOut: number
  readonly durationMs: number
  readonly remoteAddress: string
  readonly userAgent: string | undefined
  readonly headers: { header(name: string): string | undefined } | undefined
  readonly requester: string | undefined
}

export interface AccessLogOptions {
  /** From one delivery to the next, in milliseconds. */
  readonly intervalMs: number
  /** Told of a delivery that failed; its lines wait for the next one. */
  readonly onError: (error: unknown) => void
}

/** Most bytes of lines in one object; more make one before their time. */
const OBJECT_BYTES = 1024 * 1024
/** Bytes of all lines that may wait; more are dropped. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024

/** Lines of one bucket, and where they go. */
interface Sheet {
  readonly source: string
  readonly region: string
  readonly owner: string
  readonly logging: LoggingEnabled
  lines: string[]
  bytes: number
}

export class AccessLog {
  readonly #ctx: Context
  readonly #options: AccessLogOptions
  readonly #dropped: Counter
  readonly #sheets = new Map<string, Sheet>()
  #waiting = 0
  #stop = new AbortController()
  #running: Promise<unknown> | undefined

  constructor(ctx: Context, options: AccessLogOptions, meter: Meter) {
    this.#ctx = ctx
    this.#options = options
    this.#dropped = meter.counter(
      'sluice_access_log_dropped_total',
      'Lines of access logs for which there was no room',
    )
  }

  /** Takes a request that is over. Never throws, and costs next to nothing where its bucket has no log. */
  record(entry: AccessEntry): void {
    const { bucket } = entry
    if (bucket === undefined || entry.code === 'NoSuchBucket') return
    const known = this.#ctx.buckets.read(bucket)
    if (known instanceof Promise) {
      // A bucket that is not there has no log.
      known.then(
        (row) => this.#note(entry, bucket, row.value),
        () => undefined,
      )
    } else this.#note(entry, bucket, known.value)
  }

  /** Begins to deliver by itself, until `stop`. */
  start(): void {
    if (this.#running !== undefined) return
    this.#stop = new AbortController()
    this.#running = this.#loop(this.#stop.signal)
  }

  /** Delivers what waits, and ends. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    this.#running = undefined
    await this.deliver()
  }

  /** Delivers all lines that wait. */
  async deliver(): Promise<void> {
    for (const [source, sheet] of this.#sheets) {
      this.#sheets.delete(source)
      this.#waiting -= sheet.bytes
      try {
        await this.#put(sheet)
      } catch (error) {
        this.#options.onError(error)
        this.#dropped.add(sheet.lines.length)
      }
    }
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#options.intervalMs, undefined, { signal, ref: false }).catch(() => {})
      if (!signal.aborted) await this.deliver()
    }
  }

  #note(entry: AccessEntry, bucket: string, row: BucketRow): void {
    if (row.config?.['logging'] === undefined) return
    this.#write(entry, bucket, row).catch(this.#options.onError)
  }

  async #write(entry: AccessEntry, bucket: string, row: BucketRow): Promise<void> {
    const document = await readConfig(this.#ctx, bucket, 'logging')
    if (document === undefined) return
    this.#add(entry, bucket, row, document as unknown as LoggingEnabled)
  }

  #add(entry: AccessEntry, bucket: string, row: BucketRow, logging: LoggingEnabled): void {
    const line = lineOf(entry, row, this.#ctx.clock.now())
    const bytes = Buffer.byteLength(line)
    if (this.#waiting + bytes > WAITING_BYTES_MAX) {
      this.#dropped.add()
      return
    }
    let sheet = this.#sheets.get(bucket)
    const isFull = sheet !== undefined && sheet.bytes + bytes > OBJECT_BYTES
    if (sheet === undefined || isFull || sheet.logging !== logging) {
      if (sheet !== undefined) this.#send(bucket, sheet)
      sheet = {
        source: bucket,
        region: row.region,
        owner: row.owner[0],
        logging,
        lines: [],
        bytes: 0,
      }
      this.#sheets.set(bucket, sheet)
    }
    sheet.lines.push(line)
    sheet.bytes += bytes
    this.#waiting += bytes
  }

  /** Before its time: it is full, or the lines that follow go elsewhere. */
  #send(bucket: string, sheet: Sheet): void {
    this.#sheets.delete(bucket)
    this.#waiting -= sheet.bytes
    this.#put(sheet).catch((error: unknown) => {
      this.#options.onError(error)
      this.#dropped.add(sheet.lines.length)
    })
  }

  async #put(sheet: Sheet): Promise<void> {
    const { TargetBucket: Bucket = '', TargetPrefix: prefix = '' } = sheet.logging
    const { value: target } = await this.#ctx.buckets.read(Bucket)
    const from = { bucket: sheet.source, owner: sheet.owner }
    // The target may have changed its mind, or been made again by somebody else.
    if (!(await takesLogs(this.#ctx, Bucket, prefix, from)))
      throw new Error(`the log bucket ${Bucket} takes no logs of ${sheet.source}`)
    const call: Call = {
      requestId: '',
      requester: { id: target.owner[0], displayName: target.owner[1] },
      access: UNRESTRICTED,
      signal: new AbortController().signal,
    }
    const Key = this.#keyOf(sheet)
    const Body = payloadOf(Buffer.from(sheet.lines.join('')))
    await putObject(this.#ctx)({ Bucket, Key, Body, ContentType: 'text/plain' }, call)
  }

  /** `prefix2026-01-02-03-04-05-XXXXXXXXXXXXXXXX`, or by folders where the bucket wants them. */
  #keyOf({ logging, owner, region, source }: Sheet): string {
    const time = new Date(this.#ctx.clock.now()).toISOString().slice(0, 19).replaceAll(/[T:]/g, '-')
    const name = `${time}-${this.#ctx.ids.next().slice(-16)}`
    const prefix = logging.TargetPrefix ?? ''
    if (logging.TargetObjectKeyFormat?.PartitionedPrefix === undefined) return prefix + name
    const [year, month, day] = time.split('-')
    return `${prefix}${owner}/${region}/${source}/${year}/${month}/${day}/${name}`
  }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** One line, in S3's format ("Amazon S3 server access log format"); what is not known is `-`. */
export function lineOf(entry: AccessEntry, bucket: BucketRow, now: number): string {
  const iso = new Date(now).toISOString()
  const month = MONTHS[Number(iso.slice(5, 7)) - 1]!
  const time = `[${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000]`
  const key = entry.key === undefined || entry.key === '' ? '-' : encodeURIComponent(entry.key)
  const ms = String(Math.round(entry.durationMs))
  return `${[
    bucket.owner[0],
    entry.bucket,
    time,
    entry.remoteAddress,
    entry.requester ?? '-',
    entry.requestId,
    operationOf(entry),
    key.replaceAll('%2F', '/'),
    quoted(`${entry.method} ${withoutSecrets(entry.target)} HTTP/1.1`),
    String(entry.status),
    entry.code ?? '-',
    entry.bytesOut === 0 ? '-' : String(entry.bytesOut),
    '-',
    ms,
    ms,
    quoted(entry.headers?.header('referer')),
    quoted(entry.userAgent),
    '-',
    '-',
    '-',
    '-',
    '-',
    bare(entry.headers?.header('host')),
    '-',
    '-',
    '-',
  ].join(' ')}\n`
}

/** S3's words for those that clients of logs look for; others by their sub-resource. */
const OPERATIONS: Readonly<Record<string, string>> = {
  CopyObject: 'REST.COPY.OBJECT',
  DeleteObjects: 'REST.POST.MULTI_OBJECT_DELETE',
  CreateMultipartUpload: 'REST.POST.UPLOADS',
  CompleteMultipartUpload: 'REST.POST.UPLOAD',
  AbortMultipartUpload: 'REST.DELETE.UPLOAD',
  ListParts: 'REST.GET.UPLOAD',
  UploadPart: 'REST.PUT.PART',
  UploadPartCopy: 'REST.COPY.PART',
  ListObjectsV2: 'REST.GET.BUCKET',
  ListObjectVersions: 'REST.GET.BUCKETVERSIONS',
}

function operationOf({ operation, method, key }: AccessEntry): string {
  const named = operation === undefined ? undefined : OPERATIONS[operation]
  if (named !== undefined) return named
  const query = operation === undefined ? '' : (MODEL.operations[operation]?.query ?? '')
  const subresource = query.includes('=') ? '' : query.toUpperCase().replaceAll('-', '_')
  const what = key === undefined ? 'BUCKET' : 'OBJECT'
  if (subresource === '') return `REST.${method}.${what}`
  return `REST.${method}.${key === undefined ? '' : 'OBJECT_'}${subresource}`
}

const SECRETS = /([?&](?:x-amz-signature|x-amz-security-token|signature)=)[^&]*/gi

/** Whoever reads a log must not be able to use the URLs in it. */
function withoutSecrets(target: string): string {
  return target.includes('?') ? target.replaceAll(SECRETS, '$1REDACTED') : target
}

/** A text that may not hold what separates fields. */
function bare(text: string | undefined): string {
  return text !== undefined && /^[\w.:[\]-]+$/.test(text) ? text : '-'
}

/** No text of a client's ends its field, or its line. */
function quoted(text: string | undefined): string {
  if (text === undefined || text === '') return '"-"'
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return `"${text.replaceAll(/["\\\0-\x1f\x7f]/g, (each) => `%${each.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`
}
