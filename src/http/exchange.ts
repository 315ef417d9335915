/** One request and its answer, on the pipeline's road. */
import type { Access, Resource } from '../api/access.ts'
import { S3Error } from '../api/error.ts'
import { XML_BYTES_MAX } from '../api/limits.ts'
import type { Call, Handler, Input, OperationName, Requester } from '../api/operations.ts'
import type { BodyScheme, Identity } from '../auth/authenticator.ts'
import { anonymousBodyScheme } from '../auth/payload-hash.ts'
import type { Asker } from '../auth/request-context.ts'
import { corsHeaders, preflight } from './cors.ts'
import { adminBytesMax, answerAdmin, checkAdministrator, isAdminCall } from './admin.ts'
import { asS3Error, renderError } from './error-xml.ts'
import { readHead, type RequestHead } from './head.ts'
import { Hold } from './hold.ts'
import { bodyKind, checksumRequired, parseInput } from './parse.ts'
import { createPayload, type RequestPayload } from './payload.ts'
import type { PipelineOptions } from './pipeline.ts'
import { readPost, renderPost } from './post-object.ts'
import { renderOutput, type Rendered } from './render.ts'
import { isStsCall, renderSts, renderStsError, STS_BYTES_MAX } from './sts.ts'
import { POST_OBJECT, route } from './route.ts'
import type { Arrival, Sink } from './sink.ts'
import { isWebsite, serveWebsite } from './website.ts'

/** S3 answers these with 200 at once where they take long, and tells how it went in the body. */
const HELD: ReadonlySet<string> = new Set([
  'CompleteMultipartUpload',
  'CopyObject',
  'UploadPartCopy',
])

/** As the log and the metrics call them: no operations of the model. */
const PREFLIGHT = 'Preflight'
const WEBSITE = 'Website'
const STS = 'Sts'
const ADMIN = 'Admin'

const UNSIGNED: BodyScheme = { kind: 'unsigned' }

type AnyHandler = (input: unknown, call: Call) => Promise<object>

/** Their bodies bring what conditions of policies ask for: they are read before rights are asked. */
const TAGS_IN_BODY = 'PutObjectTagging'

/** Also the `Call` that the handler sees, and the `Asker` whose rights are asked. */
export class Exchange implements Call, Asker, Access {
  readonly requestId: string
  requester: Requester | undefined
  identity: Identity | undefined
  readonly access: Access = this
  readonly #options: PipelineOptions
  readonly #arrival: Arrival
  readonly #sink: Sink
  readonly #startMs: number
  #head: RequestHead | undefined
  #operation: string | undefined
  #payload: RequestPayload | undefined
  #abort: AbortController | undefined
  #hold: Hold | undefined
  /** What the answer bears for a page of another origin. */
  #cors: readonly string[] | undefined
  #error: unknown
  #code: string | undefined

  constructor(options: PipelineOptions, arrival: Arrival, sink: Sink) {
    this.requestId = options.nextRequestId()
    this.#options = options
    this.#arrival = arrival
    this.#sink = sink
    this.#startMs = options.elapsedMs()
  }

  /** Made when first asked for: most handlers never look. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController()
      this.#abort = abort
      this.#sink.onGone(() => abort.abort())
    }
    return this.#abort.signal
  }

  get operation(): string | undefined {
    if (this.#operation === WEBSITE) return 'GetObject'
    return this.#operation === POST_OBJECT ? 'PutObject' : this.#operation
  }

  /** Known from when rights are asked for the first time. */
  get request(): RequestHead {
    return this.#head!
  }

  get remoteAddress(): string {
    return this.#arrival.remoteAddress
  }

  get isSecure(): boolean {
    return this.#arrival.isSecure || this.#options.behindTls
  }

  may(action: string, resource: Resource): boolean | Promise<boolean> {
    return this.#options.authorize.may(this, action, resource)
  }

  async run(): Promise<void> {
    let rendered: Rendered
    try {
      rendered = await this.#answer()
    } catch (error) {
      rendered = this.#refusal(isMissing(error) ? await this.#veiled(error) : error)
    }
    await this.#send(rendered)
  }

  /** That a key is not there is not for everybody to know. */
  async #veiled(error: unknown): Promise<unknown> {
    const { method } = this.#arrival
    const { bucket, key } = this.request
    if ((method !== 'GET' && method !== 'HEAD') || bucket === undefined || key === undefined)
      return error
    try {
      const mayKnow = await this.#options.authorize.mayMiss(this, { bucket, key })
      return mayKnow ? error : new S3Error('AccessDenied')
    } catch (failure) {
      return failure
    }
  }

  async #answer(): Promise<Rendered> {
    const { api, authenticator, authorize, domains } = this.#options
    const { method, url, rawHeaders } = this.#arrival
    const head = readHead(method, url, rawHeaders, domains)
    this.#head = head
    if (method === 'OPTIONS') return this.#preflight(head)
    if (isStsCall(head)) return this.#sts(head)
    const origin = head.header('origin')
    if (origin !== undefined && head.bucket !== undefined)
      this.#cors = await corsHeaders(this.#options.cors, head, head.bucket, origin)
    const { domains: sites } = this.#options.websites
    if (sites.length > 0 && isWebsite(head.header('host'), sites)) return this.#website(head)
    // Who asks is settled before what is asked: strangers learn nothing from a routing error.
    let lost: unknown
    try {
      this.#operation = route(head)
    } catch (error) {
      lost = error
    }
    if (this.#operation === POST_OBJECT) return this.#post(head)
    if (isAdminCall(head)) return this.#admin(head)
    const identity = authenticator.authenticate(head)
    this.identity = identity
    this.requester = identity?.requester
    const operation = this.#operation
    if (operation === undefined) {
      if (identity === undefined) throw new S3Error('AccessDenied')
      throw lost
    }
    if (operation === TAGS_IN_BODY && api[TAGS_IN_BODY] !== undefined)
      return this.#answerTagging(api[TAGS_IN_BODY], head)
    const allowed = authorize.check(operation, this)
    if (allowed !== undefined) await allowed
    const handler = this.#handler(operation)
    const read = this.#input(operation, head, identity?.body)
    const input = read instanceof Promise ? await read : read
    this.#refuseKeyInClear(input)
    const answer = handler(input, this)
    return renderOutput(operation, await (HELD.has(operation) ? this.#held(answer) : answer))
  }

  #handler(operation: string): AnyHandler {
    const handler = this.#options.api[operation as OperationName] as AnyHandler | undefined
    if (handler !== undefined) return handler
    throw new S3Error('NotImplemented', { message: `${operation} is not implemented here.` })
  }

  /** A form with a file is the PutObject that it stands for. */
  async #post(head: RequestHead): Promise<Rendered> {
    const { authenticator, authorize, putBytesMax, malformedChecksum, intake } = this.#options
    const post = await readPost(head, this.#arrival.source, authenticator)
    this.#head = post.head
    this.identity = post.identity
    this.requester = post.identity?.requester
    await authorize.check('PutObject', this)
    const payload = createPayload(post.head, UNSIGNED, post.file, {
      sizeMax: Math.min(post.sizeMax, putBytesMax),
      tooLarge: 'EntityTooLarge',
      ownChecksum: true,
      malformedChecksum,
      intake,
    })
    this.#payload = payload
    const input = parseInput('PutObject', post.head, payload)
    this.#refuseKeyInClear(input)
    const output = await this.#handler('PutObject')(input, this)
    const rendered = renderOutput('PutObject', output)
    return renderPost(post.answer, rendered, head.path, this.#origin(head))
  }

  /** A key that a client brings would be everybody's after a way without TLS. */
  #refuseKeyInClear(input: Readonly<Record<string, unknown>>): void {
    if (this.#options.keysInClear || this.isSecure) return
    if (input['SSECustomerKey'] === undefined && input['CopySourceSSECustomerKey'] === undefined)
      return
    throw new S3Error('InvalidRequest', {
      message:
        'Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.',
    })
  }

  async #website(head: RequestHead): Promise<Rendered> {
    this.#operation = WEBSITE
    const rendered = await serveWebsite(
      {
        head,
        bucket: head.bucket ?? '',
        origin: this.#origin(head),
        ids: { requestId: this.requestId, hostId: this.#options.hostId },
        get: (object) => this.#getForBrowser(object),
        refused: (error) => {
          this.#error = error
          this.#code = asS3Error(error).code
        },
      },
      this.#options.websites.read,
    )
    this.#head = head
    return rendered
  }

  /** An object for a website's visitor, who is nobody that we know. */
  async #getForBrowser(head: RequestHead): Promise<Rendered> {
    const operation: string = head.method === 'HEAD' ? 'HeadObject' : 'GetObject'
    this.#head = head
    await this.#options.authorize.check(operation, this)
    try {
      const output = await this.#handler(operation)(parseInput(operation, head), this)
      return renderOutput(operation, output)
    } catch (error) {
      throw isMissing(error) ? await this.#veiled(error) : error
    }
  }

  /** Scheme and host as the client has them. */
  #origin(head: RequestHead): string {
    return `${this.isSecure ? 'https' : 'http'}://${head.header('host') ?? ''}`
  }

  async #admin(head: RequestHead): Promise<Rendered> {
    const { authenticator } = this.#options
    this.#operation = ADMIN
    const identity = authenticator.authenticate(head)
    this.requester = identity?.requester
    checkAdministrator(identity)
    const body = await this.#readForm(head, identity!.body, adminBytesMax(head))
    return answerAdmin(head, body, this.#options, () => this.signal)
  }

  /** The whole of a small body that is no S3 operation's. */
  #readForm(head: RequestHead, scheme: BodyScheme, sizeMax: number): Promise<Uint8Array> {
    const { intake, malformedChecksum } = this.#options
    const payload = createPayload(head, scheme, this.#arrival.source, {
      sizeMax,
      tooLarge: 'MaxMessageLengthExceeded',
      ownChecksum: true,
      intake,
      malformedChecksum,
    })
    this.#payload = payload
    return whole(payload, sizeMax)
  }

  /** Also its errors are in its own words. */
  async #sts(head: RequestHead): Promise<Rendered> {
    this.#operation = STS
    try {
      const body = await this.#readForm(head, UNSIGNED, STS_BYTES_MAX)
      const answer = this.#options.authenticator.answerSts(head, body)
      this.requester = answer.user.requester
      return renderSts(answer, this.requestId)
    } catch (error) {
      const said = asS3Error(error)
      this.#error = error
      this.#code = said.code
      return renderStsError(said, this.requestId)
    }
  }

  #preflight(head: RequestHead): Promise<Rendered> {
    this.#operation = PREFLIGHT
    return preflight(this.#options.cors, head)
  }

  async #answerTagging(
    handler: Handler<typeof TAGS_IN_BODY>,
    head: RequestHead,
  ): Promise<Rendered> {
    const read: unknown = await this.#input(TAGS_IN_BODY, head, this.identity?.body)
    const input = read as Input<typeof TAGS_IN_BODY>
    const requestTags = Object.fromEntries(
      (input.Tagging?.TagSet ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? '']),
    )
    await this.#options.authorize.check(TAGS_IN_BODY, this, { requestTags })
    return renderOutput(TAGS_IN_BODY, await handler(input, this))
  }

  /** The typed input; a promise only where the body is a document, which has to be read first. */
  #input(
    operation: string,
    head: RequestHead,
    signed: BodyScheme | undefined,
  ): Record<string, unknown> | Promise<Record<string, unknown>> {
    const kind = bodyKind(operation)
    if (kind === 'none') return parseInput(operation, head)
    const scheme = signed ?? anonymousBodyScheme(head.header('x-amz-content-sha256'))
    const payload = this.#openBody(operation, kind === 'stream', head, scheme)
    if (kind !== 'stream') {
      return whole(payload).then((bytes) => parseInput(operation, head, bytes))
    }
    const input = parseInput(operation, head, payload)
    stripFraming(input)
    return input
  }

  #openBody(
    operation: string,
    isStream: boolean,
    head: RequestHead,
    scheme: BodyScheme,
  ): RequestPayload {
    const { source } = this.#arrival
    if (isStream && !source.isAnnounced) throw new S3Error('MissingContentLength')
    const payload = createPayload(head, scheme, source, {
      sizeMax: isStream ? this.#options.putBytesMax : XML_BYTES_MAX,
      tooLarge: isStream ? 'EntityTooLarge' : 'MaxMessageLengthExceeded',
      // What CompleteMultipartUpload says of checksums is about the object, not about its own XML.
      ownChecksum: operation !== 'CompleteMultipartUpload',
      malformedChecksum: this.#options.malformedChecksum,
      intake: this.#options.intake,
    })
    this.#payload = payload
    if (!payload.hasIntegrity && checksumRequired(operation)) {
      throw new S3Error('InvalidRequest', {
        message: 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
      })
    }
    return payload
  }

  /** Waits for a handler that may take long; the client hears of us meanwhile. */
  async #held(answer: Promise<object>): Promise<object> {
    const hold = new Hold(this.#sink, this.#options.holdAfterMs, () => this.#common())
    this.#hold = hold
    try {
      return await answer
    } finally {
      hold.stop()
    }
  }

  #refusal(error: unknown): Rendered {
    const { region, hostId } = this.#options
    const said = asS3Error(error)
    this.#error = error
    this.#code = said.code
    const ids = { requestId: this.requestId, hostId }
    const rendered = renderError(said, this.#arrival.method, ids, this.#resource())
    const bucket = this.#head?.bucket
    if (bucket !== undefined && said.code !== 'NoSuchBucket') {
      if (said.headers['x-amz-bucket-region'] === undefined) {
        rendered.headers.push('x-amz-bucket-region', region)
      }
    }
    return rendered
  }

  /** As S3 names it in errors: the path, still encoded. */
  #resource(): string {
    const { url } = this.#arrival
    const query = url.indexOf('?')
    return query < 0 ? url : url.slice(0, query)
  }

  #common(): string[] {
    const headers = [
      'x-amz-request-id',
      this.requestId,
      'x-amz-id-2',
      this.#options.hostId,
      'server',
      'Sluice',
      // What somebody has put is to browsers what it says that it is, and nothing that runs.
      'x-content-type-options',
      'nosniff',
    ]
    if (this.#cors !== undefined) headers.push(...this.#cors)
    return headers
  }

  async #send(rendered: Rendered): Promise<void> {
    let { status } = rendered
    let bytesOut = 0
    let isCut = false
    try {
      bytesOut = await this.#transmit(rendered)
    } catch (error) {
      const refusal = this.#refusal(error)
      isCut = this.#sink.hasBegun
      // Otherwise a header could not be sent, but all others can.
      if (!isCut) {
        status = refusal.status
        bytesOut = await this.#transmit(refusal)
      }
    }
    this.#settle(status, bytesOut, isCut || this.#sink.isGone)
  }

  /** Resolves to the bytes of body sent. */
  #transmit({ status, headers, body }: Rendered): number | Promise<number> {
    if (this.#hold?.isBegun === true) {
      return this.#hold.finish(typeof body === 'string' ? body : '')
    }
    const all = this.#common()
    for (const each of headers) all.push(each)
    if (body !== undefined && isBody(body)) return this.#sink.stream(status, all, body)
    // Encoded once: a page of a listing has 300 KB, which would else be gone through three times.
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    this.#sink.send(status, all, bytes)
    return bytes === undefined || this.#arrival.method === 'HEAD' ? 0 : bytes.length
  }

  #settle(status: number, bytesOut: number, isBroken: boolean): void {
    const { onRequest, elapsedMs } = this.#options
    const { method, url, remoteAddress } = this.#arrival
    const head = this.#head
    onRequest({
      requestId: this.requestId,
      method,
      target: url,
      operation: this.#operation,
      bucket: head?.bucket,
      key: head?.key,
      status: this.#hold?.isBegun === true ? 200 : status,
      code: this.#code,
      error: this.#error,
      bytesIn: this.#payload?.count ?? 0,
      bytesOut,
      durationMs: elapsedMs() - this.#startMs,
      isBroken,
      remoteAddress,
      userAgent: head?.header('user-agent'),
      headers: head,
      requester: this.requester?.id,
    })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof S3Error && (error.code === 'NoSuchKey' || error.code === 'NoSuchVersion')
}

/** The whole of a body that has a limit (a document, a policy), verified. */
async function whole(payload: RequestPayload, sizeMax = XML_BYTES_MAX): Promise<Uint8Array> {
  const bytes = await payload.take(sizeMax, [])
  if (bytes instanceof Uint8Array) return bytes
  throw new Error('a body within its limit did not come whole')
}

function isBody(
  body: NonNullable<Rendered['body']>,
): body is Exclude<typeof body, Uint8Array | string> {
  return typeof body !== 'string' && !(body instanceof Uint8Array)
}

/** `aws-chunked` names the framing, which is off by now; what is left is the object's own encoding. */
function stripFraming(input: Record<string, unknown>): void {
  const encoding = input['ContentEncoding']
  if (typeof encoding !== 'string' || !encoding.toLowerCase().includes('aws-chunked')) return
  const own = encoding.split(',').filter((part) => part.trim().toLowerCase() !== 'aws-chunked')
  if (own.length === 0) delete input['ContentEncoding']
  else input['ContentEncoding'] = own.map((part) => part.trim()).join(',')
}
