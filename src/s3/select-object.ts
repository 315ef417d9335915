/**
 * SelectObjectContent: a query in S3 Select's SQL over an object of CSV or JSON (src/select), answered
 * as events while the object is read. What is wrong with the query, or with the first records, is
 * an error as any; what comes to light later is an event of the stream.
 */
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { S3Error } from '../api/error.ts'
import type { Call, Handler, Input } from '../api/operations.ts'
import type { SelectEvent } from '../api/select-event.ts'
import type { Body } from '../lib/stream.ts'
import { decoded } from '../select/input.ts'
import { parseQuery } from '../select/parse.ts'
import { run } from '../select/run.ts'
import { SelectError } from '../select/select-error.ts'
import type { Context } from './context.ts'
import { getObject, headObject } from './get-object.ts'
import { inputFormatOf, outputFormatOf, type SelectInput } from './select-format.ts'
import { readFrom, recordsIn, type Scan, scanOf } from './select-range.ts'

/** From one event of progress to the next. */
const PROGRESS_BYTES = 8 * 1024 * 1024
/** Looked at in one turn of the loop: what a storage in memory gives out is one piece. */
const PIECE_BYTES = 256 * 1024
/** A client that hears nothing for longer may think that we are gone. */
const SILENCE_MS = 5000
/** Of an object whose columns are named, and of which only a later part is read. */
const HEADER_BYTES_MAX = 64 * 1024

export function selectObjectContent(ctx: Context): Handler<'SelectObjectContent'> {
  return async (input, call) => {
    try {
      const selection = await select(ctx, input, call)
      const events = selection.events()
      const first = await events.next()
      return { Payload: startingWith(first, events) }
    } catch (error) {
      if (error instanceof SelectError) throw new S3Error(error.code, { message: error.message })
      throw error
    }
  }
}

async function* startingWith(
  first: IteratorResult<SelectEvent, void>,
  rest: AsyncGenerator<SelectEvent, void, undefined>,
): AsyncGenerator<SelectEvent, void, undefined> {
  try {
    if (first.done === true) return
    yield first.value
    yield* rest
  } catch (error) {
    if (!(error instanceof SelectError)) throw error
    yield { kind: 'error', code: error.code, message: error.message }
  } finally {
    await rest.return()
  }
}

async function select(
  ctx: Context,
  input: Input<'SelectObjectContent'>,
  call: Call,
): Promise<Selection> {
  if (input.ExpressionType !== 'SQL') throw new S3Error('InvalidExpressionType')
  const query = parseQuery(input.Expression ?? '')
  const format = inputFormatOf(input.InputSerialization)
  const output = outputFormatOf(input.OutputSerialization)
  const { Bucket, Key, ExpectedBucketOwner } = input
  const { SSECustomerAlgorithm, SSECustomerKey, SSECustomerKeyMD5 } = input
  const customer = { SSECustomerAlgorithm, SSECustomerKey, SSECustomerKeyMD5 }
  const object = { Bucket, Key, ExpectedBucketOwner, ...customer }
  const head = await headObject(ctx)(object, call)
  const scan = scanOf(input.ScanRange, format, head.ContentLength ?? 0)
  const read = async (range?: string): Promise<Body | Uint8Array | undefined> => {
    // All is read of the version whose size we know.
    const same = { ...object, IfMatch: head.ETag, ...(range !== undefined && { Range: range }) }
    return (await getObject(ctx)(same, call)).Body
  }
  const header = await headerOf(format, scan, read)
  const range = scan === undefined ? undefined : `bytes=${readFrom(scan)}-`
  const body = iterable(await read(range))
  return new Selection(ctx, { query, format, output, scan, header, body }, input)
}

/** The object's first record, where its fields name the columns and what is read begins behind it. */
async function headerOf(
  { format }: SelectInput,
  scan: Scan | undefined,
  read: (range: string) => Promise<Body | Uint8Array | undefined>,
): Promise<string | undefined> {
  if (scan === undefined || scan.start === 0 || format.kind !== 'csv') return undefined
  if (format.headers !== 'USE') return ''
  let text = ''
  for await (const piece of decoded(iterable(await read(`bytes=0-${HEADER_BYTES_MAX - 1}`)))) {
    text += piece
    const end = text.indexOf(format.recordDelimiter)
    if (end >= 0) return text.slice(0, end).replace(/\r$/, '')
  }
  throw new SelectError('OverMaxRecordSize')
}

async function* iterable(body: Body | Uint8Array | undefined): Body {
  if (body === undefined) return
  if (body instanceof Uint8Array) yield body
  else yield* body
}

interface Selected {
  readonly query: Parameters<typeof run>[0]['query']
  readonly format: SelectInput
  readonly output: Parameters<typeof run>[0]['output']
  readonly scan: Scan | undefined
  readonly header: string | undefined
  readonly body: Body
}

/** One query under way, and what it has come to. */
class Selection {
  #scanned = 0
  #processed = 0
  #returned = 0
  readonly #ctx: Context
  readonly #selected: Selected
  readonly #tellsProgress: boolean

  constructor(
    ctx: Context,
    selected: Selected,
    { RequestProgress: progress }: Input<'SelectObjectContent'>,
  ) {
    this.#ctx = ctx
    this.#selected = selected
    this.#tellsProgress = progress?.Enabled === true
  }

  async *events(): AsyncGenerator<SelectEvent, void, undefined> {
    const { query, format, output, header } = this.#selected
    const { clock } = this.#ctx
    const text = decoded(this.#bytes())
    const pieces = run({ query, input: format.format, output, text, header, now: clock.now() })
    let toldBytes = 0
    let toldAt = clock.now()
    for await (const piece of pieces) {
      if (piece !== '') {
        const payload = Buffer.from(piece)
        this.#returned += payload.length
        toldAt = clock.now()
        yield { kind: 'records', payload }
      }
      if (this.#tellsProgress && this.#scanned - toldBytes >= PROGRESS_BYTES) {
        toldBytes = this.#scanned
        yield this.#counts('progress')
      }
      if (clock.now() - toldAt >= SILENCE_MS) {
        toldAt = clock.now()
        yield { kind: 'continuation' }
      }
    }
    if (this.#tellsProgress) yield this.#counts('progress')
    yield this.#counts('stats')
    yield { kind: 'end' }
  }

  #counts(kind: 'progress' | 'stats'): SelectEvent {
    return {
      kind,
      scanned: this.#scanned,
      processed: this.#processed,
      returned: this.#returned,
    }
  }

  /** The object's bytes, decompressed, counted on their way. */
  async *#bytes(): Body {
    const { format, scan, body } = this.#selected
    const counted = this.#count(body)
    const cut = scan === undefined ? counted : recordsIn(scan, counted)
    for await (const chunk of format.isGzip ? gunzipped(cut) : cut) {
      this.#processed += chunk.length
      for (let at = 0; at < chunk.length; at += PIECE_BYTES)
        yield chunk.subarray(at, at + PIECE_BYTES)
    }
  }

  async *#count(body: Body): Body {
    for await (const chunk of body) {
      this.#scanned += chunk.length
      yield chunk
    }
  }
}

/** Rejects with TruncatedInput, or InvalidCompressionFormat. */
async function* gunzipped(body: Body): Body {
  const gunzip = createGunzip()
  const source = Readable.from(body, { objectMode: false })
  let failure: unknown
  const pumped = pipeline(source, gunzip).catch((error: unknown) => {
    failure = error
  })
  try {
    for await (const chunk of gunzip) yield chunk as Uint8Array
  } catch (error) {
    await pumped
    throw gunzipError(failure ?? error)
  } finally {
    gunzip.destroy()
    source.destroy()
  }
}

function gunzipError(error: unknown): unknown {
  const { code = '' } = error as { readonly code?: string }
  if (code === 'Z_BUF_ERROR') return new SelectError('TruncatedInput')
  return code.startsWith('Z_') ? new SelectError('InvalidCompressionFormat') : error
}
