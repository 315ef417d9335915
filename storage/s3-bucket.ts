/**
 * The bucket that a storage lives in: the client that talks to it, and which key is which blob.
 *
 * Bodies are not hashed for the signature (`UNSIGNED-PAYLOAD`): the checksum that goes with each of
 * them is signed, and the service verifies it.
 */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { proxyFor } from '../src/lib/proxy.ts'
import { AGENT_OPTIONS, CONNECT_TIMEOUT_MS, IDLE_TIMEOUT_MS } from './remote-agent.ts'
import { BlobKeys } from './remote-keys.ts'
import type { BlobId } from './store.ts'

export interface S3Options {
  readonly bucket: string
  /** Before the id in each key, so that several storages share a bucket: `gateway-1/`. */
  readonly prefix?: string | undefined
  /** What the SDK finds where absent; `us-east-1` at an endpoint of one's own. */
  readonly region?: string | undefined
  /** `https://host[:port]` of a compatible service; AWS where absent. */
  readonly endpoint?: string | undefined
  /** The bucket in the path and not in the host name. */
  readonly pathStyle?: boolean | undefined
  /** Both or none; without them the SDK looks where it always does (environment, files, roles). */
  readonly accessKeyId?: string | undefined
  readonly secretAccessKey?: string | undefined
  /** Tries of one call, waits with jitter between them. */
  readonly maxAttempts?: number | undefined
  /** What the service is to verify bodies with: `md5` where it knows nothing newer. */
  readonly checksum?: 'crc32' | 'md5' | undefined
  /** A connection on which nothing moves for so long is given up; a minute where absent. */
  readonly idleTimeoutMs?: number | undefined
}

const ATTEMPTS = 4

const WITH_BODIES: ReadonlySet<string | undefined> = new Set([
  'PutObjectCommand',
  'UploadPartCommand',
])

export class Bucket extends BlobKeys implements Disposable {
  readonly name: string
  readonly checksum: 'crc32' | 'md5'
  readonly client: S3Client
  /** For messages: where the bucket is. */
  readonly place: string

  constructor(options: S3Options) {
    super(options.prefix)
    this.name = options.bucket
    this.checksum = options.checksum ?? 'crc32'
    this.place =
      options.endpoint ?? `AWS${options.region === undefined ? '' : ` in ${options.region}`}`
    this.client = new S3Client(clientConfigOf(options))
    this.client.middlewareStack.add(
      (next, context) => async (args) => {
        if (WITH_BODIES.has(context['commandName'])) {
          const { headers } = args.request as { headers: Record<string, string> }
          headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
        }
        return next(args)
      },
      { step: 'build', name: 'unsignedPayload' },
    )
  }

  /** Bucket and key, as every call names them. */
  at(id: BlobId): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.name, Key: this.keyOf(id) }
  }

  [Symbol.dispose](): void {
    this.client.destroy()
  }
}

function clientConfigOf(options: S3Options): S3ClientConfig {
  const { endpoint, accessKeyId, secretAccessKey } = options
  const agent = { ...AGENT_OPTIONS, ...proxyFor(endpoint) }
  const region = options.region ?? (endpoint === undefined ? undefined : 'us-east-1')
  return {
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId, secretAccessKey } }),
    forcePathStyle: options.pathStyle ?? false,
    maxAttempts: options.maxAttempts ?? ATTEMPTS,
    retryMode: 'standard',
    // Ours goes with each body, and ranges have none: the SDK's would be a second one.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // A question before each body is a round trip, and a connection that is not used again.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      httpAgent: agent,
      httpsAgent: agent,
    },
  }
}
