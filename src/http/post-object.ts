/**
 * An upload by form (S3: "POST Object"): what a browser sends becomes the PutObject that it stands for,
 * so that all that S3 says of a PutObject is said once. The form's fields are its headers.
 */
import { S3Error } from '../api/error.ts'
import type { Authenticator, Identity } from '../auth/authenticator.ts'
import type { Receiver, Source } from './body.ts'
import { boundaryOf, type Form, type FormField, readForm } from './form-reader.ts'
import { RequestHead } from './head.ts'
import type { Rendered } from './render.ts'
import { XmlError, type Values } from './xml-build.ts'
import { readXml } from './xml-read.ts'
import { escapeXml } from './xml-escape.ts'

export interface PostedObject {
  /** Of the PutObject. */
  readonly head: RequestHead
  /** Of who signed the form. */
  readonly identity: Identity | undefined
  /** Fails with EntityTooSmall where it is shorter than the policy says. */
  readonly file: Source
  /** Bytes. */
  readonly sizeMax: number
  readonly answer: PostAnswer
}

/** What the form says of the answer. */
export interface PostAnswer {
  readonly redirect: string | undefined
  readonly status: 200 | 201 | 204
  readonly bucket: string
  readonly key: string
}

const FILENAME = '${filename}'
/** Headers that a form may set beside those of S3's own. */
const HEADERS: ReadonlySet<string> = new Set([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'content-type',
  'expires',
])
/** Not S3's of the object, but of the request that carries it, or of its signature. */
const NOT_OF_OBJECT =
  /^x-amz-(?:algorithm|credential|date|signature|security-token|content-sha256|decoded-content-length|trailer|copy-source.*|write-offset-bytes)$/
/** Kept of the request itself, for who judges it. */
const OF_REQUEST: ReadonlySet<string> = new Set(['host', 'origin', 'referer', 'user-agent'])
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNPRINTABLE = /[\0-\x08\x0a-\x1f\x7f]/

/** Reads the form up to its file, and says what it asks for. Throws `S3Error` where it is not good. */
export async function readPost(
  head: RequestHead,
  source: Source,
  authenticator: Authenticator,
): Promise<PostedObject> {
  if (!source.isAnnounced) throw new S3Error('MissingContentLength')
  refuseOtherSignatures(head, authenticator)
  const form = await readForm(source, boundaryOf(head.header('content-type') ?? ''))
  try {
    return readFields(head, form, authenticator)
  } catch (error) {
    form.file.stop()
    throw error
  }
}

/** A form is signed in the form: a header that says something else of the sender would be read by nobody, or by one of two. */
function refuseOtherSignatures(head: RequestHead, authenticator: Authenticator): void {
  if (authenticator.authenticate(head) === undefined) return
  throw new S3Error('InvalidArgument', {
    message: 'Only one auth mechanism allowed: an upload by form is signed in its fields.',
    fields: { ArgumentName: 'Authorization', ArgumentValue: head.header('authorization') ?? '' },
  })
}

function readFields(head: RequestHead, form: Form, authenticator: Authenticator): PostedObject {
  const bucket = head.bucket ?? ''
  const fields = new Map<string, string>()
  for (const { name, bytes } of form.fields) {
    const lower = name.toLowerCase()
    // The first counts, for the policy and for the object alike.
    if (!fields.has(lower)) fields.set(lower, bytes.toString())
  }
  const named = fields.get('key')
  if (named === undefined)
    throw new S3Error('InvalidArgument', {
      message:
        "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
      fields: { ArgumentName: 'key', ArgumentValue: '' },
    })
  const key = named.replaceAll(FILENAME, () => baseName(form.filename))
  fields.set('key', key)
  const grant = authenticator.authenticateForm({ bucket, fields })
  return {
    head: headOf(head, bucket, key, form.fields),
    identity: grant?.identity,
    file: grant === undefined ? form.file : new BoundedFile(form.file, grant.bounds.min),
    sizeMax: grant?.bounds.max ?? Infinity,
    answer: {
      redirect: redirectIn(fields.get('success_action_redirect') ?? fields.get('redirect')),
      status: statusIn(fields.get('success_action_status')),
      bucket,
      key,
    },
  }
}

/** Some browsers tell the path too. */
function baseName(filename: string): string {
  return filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1)
}

function headOf(
  head: RequestHead,
  bucket: string,
  key: string,
  fields: readonly FormField[],
): RequestHead {
  const names: string[] = []
  const raw: string[] = []
  const add = (name: string, value: string): void => {
    if (names.includes(name)) return
    names.push(name)
    raw.push(name, value)
  }
  head.names.forEach((name, index) => {
    if (OF_REQUEST.has(name)) add(name, head.rawHeaders[2 * index + 1]!)
  })
  for (const { name, bytes } of fields) {
    const lower = name.toLowerCase()
    if (lower === 'acl') add('x-amz-acl', headerText(name, bytes))
    else if (lower === 'tagging') add('x-amz-tagging', tagsOf(bytes))
    else if (HEADERS.has(lower) || (lower.startsWith('x-amz-') && !NOT_OF_OBJECT.test(lower)))
      add(lower, headerText(name, bytes))
  }
  const { path } = head
  return new RequestHead('PUT', { bucket, key, path, query: '' }, raw, names)
}

/** Bytes as header text: latin1, and nothing that no header could hold. */
function headerText(name: string, bytes: Buffer): string {
  const text = bytes.toString('latin1')
  if (!UNPRINTABLE.test(text)) return text
  throw new S3Error('InvalidArgument', {
    message: 'Header value cannot be represented using ISO-8859-1.',
    fields: { ArgumentName: name, ArgumentValue: text },
  })
}

/** A form tells tags as XML, a header as a query. */
function tagsOf(document: Buffer): string {
  let tagging: Values
  try {
    tagging = readXml(document, 'Tagging', 'Tagging')
  } catch (error) {
    if (error instanceof XmlError) throw new S3Error('MalformedXML', { cause: error })
    throw error
  }
  const set = (tagging['TagSet'] ?? []) as readonly { Key?: string; Value?: string }[]
  return set
    .map(({ Key = '', Value = '' }) => `${encodeURIComponent(Key)}=${encodeURIComponent(Value)}`)
    .join('&')
}

/** S3 takes a redirect that it cannot read for none. */
function redirectIn(text: string | undefined): string | undefined {
  if (text === undefined || !/^https?:\/\/[\x21-\x7e]+$/i.test(text)) return undefined
  return URL.canParse(text) ? text : undefined
}

function statusIn(text: string | undefined): 200 | 201 | 204 {
  return text === '200' ? 200 : text === '201' ? 201 : 204
}

/** A file that must not be shorter than so many bytes. */
class BoundedFile implements Source, Receiver {
  readonly isAnnounced = true
  readonly length = undefined
  readonly #file: Source
  readonly #min: number
  #receiver: Receiver | undefined
  #count = 0

  constructor(file: Source, min: number) {
    this.#file = file
    this.#min = min
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver
    this.#file.start(this)
  }

  pause(): void {
    this.#file.pause()
  }

  resume(): void {
    this.#file.resume()
  }

  stop(): void {
    this.#file.stop()
  }

  data(chunk: Uint8Array): void {
    this.#count += chunk.length
    this.#receiver!.data(chunk)
  }

  end(): void {
    if (this.#count >= this.#min) this.#receiver!.end()
    else
      this.#receiver!.fail(
        new S3Error('EntityTooSmall', {
          fields: { ProposedSize: String(this.#count), MinSizeAllowed: String(this.#min) },
        }),
      )
  }

  fail(error: Error): void {
    this.#receiver!.fail(error)
  }
}

/**
 * The answer to a form, out of the PutObject's. `origin`: scheme and host that the client used.
 * 201 comes with a document, the others with none.
 */
export function renderPost(
  { redirect, status, bucket, key }: PostAnswer,
  put: Rendered,
  path: string,
  origin: string,
): Rendered {
  const { headers } = put
  const etag = headers[headers.indexOf('etag') + 1] ?? ''
  if (redirect !== undefined) {
    const query = `bucket=${encodeURIComponent(bucket)}&key=${encodeURIComponent(key)}&etag=${encodeURIComponent(etag)}`
    headers.push('location', `${redirect}${redirect.includes('?') ? '&' : '?'}${query}`)
    return { status: 303, headers, body: undefined }
  }
  const encodedKey = key.split('/').map(encodeURIComponent).join('/')
  const location = `${origin}${path.endsWith('/') ? path : `${path}/`}${encodedKey}`
  headers.push('location', location)
  if (status !== 201) return { status, headers, body: undefined }
  headers.push('content-type', 'application/xml')
  const elements = { Location: location, Bucket: bucket, Key: key, ETag: etag }
  const inner = Object.entries(elements).map(
    ([name, text]) => `<${name}>${escapeXml(text)}</${name}>`,
  )
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>${inner.join('')}</PostResponse>`
  return { status, headers, body }
}
