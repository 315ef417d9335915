/**
 * The body of a request, verified: implements `Payload` over what the transport pushes, reading as the
 * signature's scheme says and checking all that the head claims. Small bodies are collected and hashed
 * in one go (the 4 KiB PUT pays for no iterator); long ones stream with back-pressure.
 */
import type { ChecksumAlgorithm } from '../api/checksum.ts'
import { S3Error } from '../api/error.ts'
import type { DigestName, Payload, Taken } from '../api/payload.ts'
import type { BodyScheme, SignedRequest } from '../auth/authenticator.ts'
import { ChunkedDecoder } from './aws-chunked.ts'
import {
  checkTrailer,
  headerOf,
  readClaims,
  type Checksum,
  type Claims,
  type MalformedChecksum,
} from './body-claims.ts'
import { BodyDigests, base64OfHex } from './body-digests.ts'
import { BodyQueue } from './body-queue.ts'
import type { Receiver, Source } from './body.ts'
import type { Intake } from './intake.ts'

export interface PayloadOptions {
  /** A longer body is refused. */
  readonly sizeMax: number
  /** With this code. */
  readonly tooLarge: 'EntityTooLarge' | 'MaxMessageLengthExceeded'
  /** False where `x-amz-checksum-*` speaks of something else than this body. */
  readonly ownChecksum: boolean
  readonly malformedChecksum: MalformedChecksum
  readonly intake: Intake
}

/** Reads the claims; throws the `S3Error` for those that cannot hold (also of the length). */
export function createPayload(
  request: SignedRequest,
  scheme: BodyScheme,
  source: Source,
  options: PayloadOptions,
): RequestPayload {
  const claims = readClaims(
    request,
    scheme,
    source.length,
    options.ownChecksum,
    options.malformedChecksum,
  )
  if (claims.size !== undefined && claims.size > options.sizeMax) throw tooLarge(options)
  return new RequestPayload(source, scheme, claims, options)
}

export class RequestPayload implements Payload, Receiver {
  readonly #source: Source
  readonly #scheme: BodyScheme
  readonly #claims: Claims
  readonly #options: PayloadOptions
  readonly #digests = new BodyDigests()
  #decoder: ChunkedDecoder | undefined
  #count = 0
  #isTaken = false
  #isOver = false
  #inlineMax = 0
  /** Chunks of a body that is (or may yet prove) small. */
  #collected: Uint8Array[] = []
  /** Set from when the body is known to be long. */
  #queue: BodyQueue | undefined
  #resolve!: (taken: Taken) => void
  #reject!: (error: Error) => void

  constructor(source: Source, scheme: BodyScheme, claims: Claims, options: PayloadOptions) {
    this.#source = source
    this.#scheme = scheme
    this.#claims = claims
    this.#options = options
  }

  get size(): number | undefined {
    return this.#claims.size
  }

  get claimed(): Checksum | undefined {
    return this.#claims.checksum
  }

  /** Bytes so far, after decoding. */
  get count(): number {
    return this.#count
  }

  /** True where the client sent what S3 requires with some operations: Content-MD5 or a checksum. */
  get hasIntegrity(): boolean {
    return this.#claims.md5 !== undefined || this.#claims.checksum !== undefined
  }

  take(inlineMax: number, digests: readonly DigestName[]): Promise<Taken> {
    if (this.#isTaken) throw new Error('the body was taken before')
    this.#isTaken = true
    this.#inlineMax = inlineMax
    for (const name of digests) this.#digests.add(name)
    const { size, md5, sha256, checksum } = this.#claims
    if (md5 !== undefined) this.#digests.add('md5')
    if (sha256 !== undefined) this.#digests.add('SHA256')
    if (checksum !== undefined) this.#digests.add(checksum.algorithm)
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      if (this.#scheme.kind === 'chunked') this.#decode(this.#scheme)
      if (size !== undefined && size > inlineMax) this.#flow()
      this.#source.start(this)
    })
  }

  digest(name: DigestName): string {
    return this.#digests.value(name)
  }

  /** Of the transport, still framed where the scheme is chunked. */
  data(chunk: Uint8Array): void {
    if (this.#isOver) return
    try {
      if (this.#decoder === undefined) this.#data(chunk)
      else this.#decoder.push(chunk)
    } catch (error) {
      this.#break(error as Error)
    }
    if (this.#queue !== undefined) letGo(chunk)
  }

  end(): void {
    if (this.#isOver) return
    try {
      this.#decoder?.end()
    } catch (error) {
      this.#break(error as Error)
      return
    }
    if (this.#claims.size !== undefined && this.#count < this.#claims.size) {
      this.#break(new S3Error('IncompleteBody'))
      return
    }
    this.#isOver = true
    if (this.#queue === undefined) this.#whole()
    else this.#queue.end()
  }

  fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#collected = []
    if (this.#queue === undefined) this.#reject(error)
    else this.#queue.fail(error)
  }

  #decode(scheme: BodyScheme & { kind: 'chunked' }): void {
    const { signer, trailer } = scheme
    this.#decoder = new ChunkedDecoder(
      { ...(signer && { signer }), trailer, announced: this.#claims.announced },
      (data) => this.#data(data),
    )
  }

  #data(chunk: Uint8Array): void {
    if (this.#isOver) return
    this.#count += chunk.length
    if (this.#count > (this.#claims.size ?? this.#options.sizeMax)) {
      this.#break(
        this.#claims.size === undefined ? tooLarge(this.#options) : new S3Error('IncompleteBody'),
      )
    } else if (this.#queue !== undefined) this.#queue.push(chunk)
    else {
      this.#collected.push(chunk)
      if (this.#count > this.#inlineMax) this.#flow()
    }
  }

  /** The body is long: hands a stream over, what was collected first. */
  #flow(): void {
    const { intake } = this.#options
    const digests = this.#digests
    const slabs = digests.isDear ? intake.shared : intake.own
    const queue = new BodyQueue(this.#source, slabs, this.#claims.size ?? Infinity, {
      chunk(bytes, isOnly) {
        if (!isOnly) return digests.update(bytes, intake.threads)
        digests.whole(bytes)
        return undefined
      },
      end: async () => {
        await digests.finish()
        this.#verify()
      },
      drop: () => digests.drop(),
    })
    this.#queue = queue
    for (const chunk of this.#collected) queue.push(chunk)
    this.#collected = []
    this.#resolve(queue)
  }

  #whole(): void {
    const chunks = this.#collected
    this.#collected = []
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#count)
    try {
      this.#digests.whole(bytes)
      this.#verify()
    } catch (error) {
      this.#reject(error as Error)
      return
    }
    this.#resolve(bytes)
  }

  /** Ends the reading for a fault of the body itself; the transport has more to come, perhaps. */
  #break(error: Error): void {
    this.#source.stop()
    this.fail(error)
  }

  #verify(): void {
    const { sha256, md5, checksum } = this.#claims
    if (sha256 !== undefined && this.digest('SHA256') !== sha256) {
      throw sha256Mismatch(sha256, this.digest('SHA256'))
    }
    if (md5 !== undefined) {
      const computed = base64OfHex(this.digest('md5'))
      if (computed !== md5) {
        throw new S3Error('BadDigest', {
          fields: { ExpectedDigest: md5, CalculatedDigest: computed },
        })
      }
    }
    if (checksum !== undefined) {
      if (this.digest(checksum.algorithm) !== this.#valueOf(checksum)) {
        throw checksumMismatch(checksum.algorithm)
      }
    }
  }

  /** Of the header, or of the trailer, which is complete by now: the decoder saw to that. */
  #valueOf({ algorithm, value }: Checksum): string {
    if (value !== undefined) return value
    const trailer = this.#decoder!.trailers.get(headerOf(algorithm))!
    return checkTrailer(algorithm, trailer, this.#options.malformedChecksum)
  }
}

/** Chunks below are not worth it. */
const LET_GO_BYTES_MIN = 8192

/**
 * Frees the memory of a chunk that nobody needs any more, at once: the next chunk is then read into the
 * same memory, still in the cache, and a GiB of chunks is no work for the garbage collector (0.6 CPU-s of
 * 1.0 a GiB). Only where the chunk has memory of its own.
 */
function letGo({ buffer, byteLength }: Uint8Array): void {
  if (byteLength < LET_GO_BYTES_MIN || buffer.byteLength !== byteLength) return
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}

function tooLarge({ tooLarge: code, sizeMax }: PayloadOptions): S3Error {
  return new S3Error(code, { fields: { MaxSizeAllowed: String(sizeMax) } })
}

function checksumMismatch(algorithm: ChecksumAlgorithm): S3Error {
  return new S3Error('BadDigest', {
    message: `The ${algorithm} you specified did not match the calculated checksum.`,
  })
}

function sha256Mismatch(claimed: string, computed: string): S3Error {
  return new S3Error('XAmzContentSHA256Mismatch', {
    fields: {
      ClientComputedContentSHA256: hexOf(claimed),
      S3ComputedContentSHA256: hexOf(computed),
    },
  })
}

function hexOf(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex')
}
