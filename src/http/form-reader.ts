/**
 * A form (multipart/form-data, RFC 7578) with a file, being read: the fields before the file come
 * whole, the file is a `Source` that pushes its bytes as they arrive, at its reader's pace. What stands
 * behind the file is not looked at (S3: "the file must be the last field").
 */
import { S3Error } from '../api/error.ts'
import { FORM_FIELDS_BYTES_MAX } from '../api/limits.ts'
import type { Receiver, Source } from './body.ts'

export interface FormField {
  readonly name: string
  readonly bytes: Buffer
}

export interface Form {
  /** Those before the file, as they came. */
  readonly fields: readonly FormField[]
  /** As the client tells it; '' where it tells none. */
  readonly filename: string
  /** Ends where the boundary behind it was seen; fails where the form breaks off before. */
  readonly file: Source
}

const FILE = 'file'
const LINE_END = '\r\n'
const HEAD_END = '\r\n\r\n'
const NOTHING = Buffer.alloc(0)
/** RFC 2046 5.1.1: 1 to 70 characters. */
const BOUNDARY = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i

/** The boundary that a Content-Type names; MalformedPOSTRequest where it names none. */
export function boundaryOf(contentType: string): string {
  const match = BOUNDARY.exec(contentType)
  const boundary = match?.[1] ?? match?.[2]
  if (boundary === undefined) throw malformed('The Content-Type names no boundary.')
  return boundary
}

/**
 * Reads the fields; resolves once the file begins. Rejects with MalformedPOSTRequest,
 * MaxPostPreDataLengthExceededError (fields of more than 20 KiB), IncorrectNumberOfFilesInPostRequest,
 * or with what broke the body off.
 */
export function readForm(source: Source, boundary: string): Promise<Form> {
  return new Promise((resolve, reject) => {
    source.start(new FormReader(source, boundary, resolve, reject))
  })
}

/** What the next bytes are. */
type Step = 'boundary' | 'line' | 'head' | 'field' | 'file'

class FormReader implements Receiver {
  readonly #source: Source
  readonly #delimiter: Buffer
  readonly #resolve: (form: Form) => void
  readonly #reject: (error: Error) => void
  readonly #fields: FormField[] = []
  /** Bytes that have come and are not understood yet. The first boundary has no line end before it. */
  #pending: Buffer = Buffer.from(LINE_END)
  /** Bytes understood. */
  #taken = 0
  #step: Step = 'boundary'
  #name = ''
  #filename = ''
  #file: FormFile | undefined
  #isOver = false

  constructor(
    source: Source,
    boundary: string,
    resolve: (form: Form) => void,
    reject: (error: Error) => void,
  ) {
    this.#source = source
    this.#delimiter = Buffer.from(`${LINE_END}--${boundary}`, 'latin1')
    this.#resolve = resolve
    this.#reject = reject
  }

  data(chunk: Uint8Array): void {
    if (this.#isOver) return
    if (this.#file !== undefined) {
      this.#file.data(chunk)
      return
    }
    this.#pending = Buffer.concat([this.#pending, chunk])
    try {
      while (this.#file === undefined && this.#next()) checkLength(this.#taken)
      if (this.#file === undefined) checkLength(this.#taken + this.#pending.length)
    } catch (error) {
      this.#source.stop()
      this.fail(error as Error)
    }
  }

  end(): void {
    if (this.#file === undefined) this.fail(malformed('The form ends before it is whole.'))
    else this.#file.end()
  }

  fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#file === undefined) this.#reject(error)
    else this.#file.fail(error)
  }

  /** Understands one thing more; false where more bytes are needed. */
  #next(): boolean {
    switch (this.#step) {
      case 'boundary':
        return this.#upTo(this.#delimiter, () => 'line')
      case 'line':
        return this.#upTo(LINE_END, (line) => afterBoundary(line.toString('latin1')))
      case 'head':
        return this.#upTo(HEAD_END, (head) => this.#head(head.toString()))
      default:
        return this.#upTo(this.#delimiter, (bytes) => {
          this.#fields.push({ name: this.#name, bytes: Buffer.from(bytes) })
          return 'line'
        })
    }
  }

  #upTo(mark: string | Buffer, then: (before: Buffer) => Step): boolean {
    const at = this.#pending.indexOf(mark)
    if (at === -1) return false
    const before = this.#pending.subarray(0, at)
    this.#pending = this.#pending.subarray(at + mark.length)
    this.#taken += at + mark.length
    this.#step = then(before)
    if (this.#step === 'file') this.#begin()
    return true
  }

  #head(text: string): Step {
    const { name, filename } = readDisposition(text)
    this.#name = name
    if (name.toLowerCase() !== FILE) return 'field'
    this.#filename = filename
    return 'file'
  }

  #begin(): void {
    this.#source.pause()
    this.#file = new FormFile(this.#source, this.#delimiter, this.#pending)
    this.#pending = NOTHING
    this.#resolve({ fields: this.#fields, filename: this.#filename, file: this.#file })
  }
}

/** `bytes`: of the fields, with the line end that we put before them. */
function checkLength(bytes: number): void {
  if (bytes > FORM_FIELDS_BYTES_MAX + LINE_END.length)
    throw new S3Error('MaxPostPreDataLengthExceededError', {
      fields: { MaxSizeAllowed: String(FORM_FIELDS_BYTES_MAX) },
    })
}

/** The file of a form. Bytes that come before anybody reads are held: what one read of the socket gives. */
class FormFile implements Source {
  readonly isAnnounced = true
  readonly length = undefined
  readonly #source: Source
  readonly #delimiter: Buffer
  #held: Uint8Array[]
  /** The end of what came, where it may be the beginning of the boundary. */
  #carry: Buffer = NOTHING
  #receiver: Receiver | undefined
  #outcome: Error | 'cut' | undefined
  #isOver = false

  constructor(source: Source, delimiter: Buffer, first: Buffer) {
    this.#source = source
    this.#delimiter = delimiter
    this.#held = first.length === 0 ? [] : [first]
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver
    const held = this.#held
    this.#held = []
    for (const chunk of held) this.data(chunk)
    if (this.#isOver) return
    if (this.#outcome === undefined) this.#source.resume()
    else this.#conclude(this.#outcome)
  }

  pause(): void {
    if (!this.#isOver) this.#source.pause()
  }

  resume(): void {
    if (!this.#isOver) this.#source.resume()
  }

  stop(): void {
    this.#isOver = true
    this.#source.stop()
  }

  data(chunk: Uint8Array): void {
    if (this.#isOver) return
    if (this.#receiver === undefined) {
      this.#held.push(chunk)
      return
    }
    const bytes =
      this.#carry.length > 0
        ? Buffer.concat([this.#carry, chunk])
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const at = bytes.indexOf(this.#delimiter)
    const end = at === -1 ? bytes.length - beginningAt(bytes, this.#delimiter) : at
    // Copied before the receiver has the chunk, whose memory it may use for something else.
    this.#carry = at === -1 && end < bytes.length ? Buffer.from(bytes.subarray(end)) : NOTHING
    if (end > 0) this.#receiver.data(end === bytes.length ? bytes : bytes.subarray(0, end))
    if (at === -1 || this.#isOver) return
    this.#isOver = true
    this.#source.stop()
    this.#receiver.end()
  }

  end(): void {
    this.#conclude('cut')
  }

  fail(error: Error): void {
    this.#conclude(error)
  }

  #conclude(outcome: Error | 'cut'): void {
    if (this.#isOver) return
    this.#outcome = outcome
    if (this.#receiver === undefined) return
    this.#isOver = true
    this.#receiver.fail(
      outcome === 'cut' ? malformed('The form ends before the boundary behind its file.') : outcome,
    )
  }
}

/** How many of the last bytes are the beginning of `mark`. */
function beginningAt(bytes: Buffer, mark: Buffer): number {
  const first = mark[0]!
  for (let from = Math.max(0, bytes.length - mark.length + 1); ; from++) {
    from = bytes.indexOf(first, from)
    if (from === -1) return 0
    const count = bytes.length - from
    if (bytes.compare(mark, 0, count, from) === 0) return count
  }
}

/** A boundary is followed by blanks and a line end, the last one by two dashes. */
function afterBoundary(line: string): Step {
  if (line.startsWith('--')) throw noFile()
  if (!/^[ \t]*$/.test(line)) throw malformed('A boundary is not followed by a line end.')
  return 'head'
}

const PARAMETER = /;\s*(name|filename\*?)\s*=\s*(?:"((?:[^"\\]|\\"?)*)"|([^;\s"]*))/gi

function readDisposition(head: string): { readonly name: string; readonly filename: string } {
  const line = head.split(LINE_END).find((each) => /^content-disposition\s*:/i.test(each))
  if (line === undefined || !/:\s*form-data\s*;/i.test(line))
    throw malformed('A part has no Content-Disposition of form-data.')
  const found = new Map<string, string>()
  for (const [, name = '', quoted, bare = ''] of line.matchAll(PARAMETER)) {
    const key = name.toLowerCase()
    // Only a quote is escaped: Windows sends paths with backslashes as they are.
    if (!found.has(key)) found.set(key, quoted?.replaceAll('\\"', '"') ?? bare)
  }
  const name = found.get('name')
  if (!name) throw malformed('A part has no name.')
  return { name, filename: extended(found.get('filename*')) ?? found.get('filename') ?? '' }
}

/** `UTF-8''a%20b` (RFC 8187), where it is one. */
function extended(text: string | undefined): string | undefined {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(text ?? '')?.[1]
  if (encoded === undefined) return undefined
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw malformed('The name of the file is not encoded as it says.')
  }
}

function noFile(): S3Error {
  return new S3Error('IncorrectNumberOfFilesInPostRequest')
}

function malformed(message: string): S3Error {
  return new S3Error('MalformedPOSTRequest', {
    message: `The body of your POST request is not well-formed multipart/form-data. ${message}`,
  })
}
