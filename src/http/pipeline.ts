/**
 * The one road of an S3 request: address, route, authenticate, authorize, parse (the body verified),
 * handle, render. Whatever goes wrong on it becomes one S3 error document and one entry for the log.
 */
import type { Resource } from '../api/access.ts'
import type { CorsLookup } from '../api/cors.ts'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Further } from '../auth/judgement.ts'
import type { Asker } from '../auth/request-context.ts'
import type { AdminDesks } from './admin.ts'
import type { MalformedChecksum } from './body-claims.ts'
import { Exchange } from './exchange.ts'
import type { Intake } from './intake.ts'
import type { RequestEntry } from './request-entry.ts'
import type { Arrival, Sink } from './sink.ts'
import type { Websites } from './website.ts'

/** Who may do what. */
export interface Authorize {
  /** Throws, or rejects with, AccessDenied where the asker may not do the operation; undefined: yes, at once. */
  check(operation: string, asker: Asker, further?: Further): Promise<void> | undefined
  /** May the asker do that besides? */
  may(asker: Asker, action: string, resource: Resource): boolean | Promise<boolean>
  /** May the asker learn that there is no such key? */
  mayMiss(asker: Asker, resource: Resource): boolean | Promise<boolean>
}

export interface PipelineOptions extends AdminDesks {
  readonly api: S3Api
  readonly authenticator: Authenticator
  readonly authorize: Authorize
  /** Asked where a request bears an Origin. */
  readonly cors: CorsLookup
  /** Names under which buckets are hosts, in lower case; those of websites too. */
  readonly domains: readonly string[]
  readonly websites: Websites
  /** Told with errors about buckets, so that clients find the region of their signature. */
  readonly region: string
  /** What stands before us speaks TLS with the clients. */
  readonly behindTls: boolean
  /** Keys that clients bring (SSE-C) are taken without TLS too. */
  readonly keysInClear: boolean
  readonly malformedChecksum: MalformedChecksum
  /** One PUT or one part, in bytes. */
  readonly putBytesMax: number
  /** Requests answered later than this begin with white space (those S3 does it for); milliseconds. */
  readonly holdAfterMs: number
  /** `x-amz-id-2`: tells which server answered. */
  readonly hostId: string
  /** 16 upper-case hex digits, never the same twice. */
  readonly nextRequestId: () => string
  /** Milliseconds with fractions, from any origin, never backwards. */
  readonly elapsedMs: () => number
  /** Where bodies come in. */
  readonly intake: Intake
  /** Called once a request, when it is over. */
  readonly onRequest: (entry: RequestEntry) => void
}

export interface Pipeline {
  /** Answers. Never throws and never rejects: every failure is answered, or breaks the connection off. */
  handle(arrival: Arrival, sink: Sink): Promise<void>
}

export function createPipeline(options: PipelineOptions): Pipeline {
  return { handle: (arrival, sink) => new Exchange(options, arrival, sink).run() }
}

/** Anonymous requests are refused; whoever is known may do everything. */
export const signedOnly: Authorize = {
  check(_operation, { identity }) {
    if (identity === undefined) throw new S3Error('AccessDenied')
    return undefined
  },
  may: () => true,
  mayMiss: () => true,
}
