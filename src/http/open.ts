/** The door of this room: from the S3 API and who may use it, to something a server can be given. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { getRequestListener } from '@hono/node-server'
import type { CorsLookup } from '../api/cors.ts'
import { PUT_BYTES_MAX } from '../api/limits.ts'
import type { S3Api } from '../api/operations.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Administration } from './admin.ts'
import type { TorrentDesk } from './admin-torrents.ts'
import type { MalformedChecksum } from './body-claims.ts'
import { createControl, type Control, type ControlOptions } from './app.ts'
import { trustedProxies } from './forwarded.ts'
import { Intake } from './intake.ts'
import { createListener } from './listener.ts'
import { createPipeline, signedOnly, type Authorize } from './pipeline.ts'
import type { RequestEntry } from './request-entry.ts'
import { answerTracker, isTrackers, type TrackerDesk } from './tracker-paths.ts'
import { isWebsite, type Websites } from './website.ts'

export { SERVER_OPTIONS } from './listener.ts'
export type { ControlOptions } from './app.ts'
export type { ChangeSource } from './changes.ts'
export type { TorrentDesk } from './admin-torrents.ts'
export type { RequestEntry } from './request-entry.ts'
export { ANNOUNCE_PATH } from './tracker-paths.ts'

export interface GateOptions {
  readonly api: S3Api
  readonly authenticator: Authenticator
  readonly control: ControlOptions
  /** False: the control plane listens elsewhere (`attachControl`), and its paths are buckets here. */
  readonly controlOnMain: boolean
  readonly onRequest: (entry: RequestEntry) => void
  readonly region: string
  /** Names under which buckets are hosts (`s3.example.com`), in lower case. */
  readonly domains?: readonly string[]
  /** Absent: no bucket is served as a website. */
  readonly websites?: Websites
  /** Absent: whoever is known may do everything, anonymous requests nothing. */
  readonly authorize?: Authorize
  /** Absent: no bucket lets pages of other origins in. */
  readonly cors?: CorsLookup
  /** Absent: there is no tracker. */
  readonly tracker?: TrackerDesk
  /** What stands before us speaks TLS with the clients. */
  readonly behindTls?: boolean
  /** Keys that clients bring (SSE-C) are taken without TLS too. Absent: they are not. */
  readonly keysInClear?: boolean
  /** Absent: InvalidRequest, as AWS has it. */
  readonly malformedChecksum?: MalformedChecksum
  readonly administration?: Administration
  /** Absent: there are no torrents to administer. */
  readonly torrents?: TorrentDesk
  /** Addresses and networks of proxies whose X-Forwarded headers are believed. */
  readonly trustedProxies?: readonly string[]
  /** One PUT or part, in bytes. */
  readonly putBytesMax?: number
  /** Milliseconds without progress after which a body is given up. */
  readonly bodyTimeoutMs?: number
  /** Milliseconds after which a slow Complete or copy begins its answer with white space. */
  readonly holdAfterMs?: number
}

export interface Gate extends Disposable {
  /** Serves S3 (and the control plane, where it is on the main port) on a server made with `SERVER_OPTIONS`. */
  attach(server: HttpServer | HttpsServer): void
  /** Serves the control plane alone. */
  attachControl(server: HttpServer | HttpsServer): void
  readonly control: Control
}

const NO_WEBSITES: Websites = { domains: [], read: async () => undefined }
const BODY_TIMEOUT_MS = 60_000
const HOLD_AFTER_MS = 10_000

export function openGate(options: GateOptions): Gate {
  const control = createControl(options.control)
  const answer = getRequestListener((request) => control.fetch(request), {
    overrideGlobalObjects: false,
  })
  const nextRequestId = createRequestIds()
  const hostId = randomBytes(24).toString('base64')
  const intake = new Intake()
  const websites = options.websites ?? NO_WEBSITES
  const pipeline = createPipeline({
    websites,
    intake,
    api: options.api,
    authenticator: options.authenticator,
    authorize: options.authorize ?? signedOnly,
    administration: options.administration,
    torrents: options.torrents,
    cors: options.cors ?? (async () => undefined),
    domains: [...(options.domains ?? []), ...websites.domains],
    region: options.region,
    behindTls: options.behindTls ?? false,
    keysInClear: options.keysInClear ?? false,
    malformedChecksum: options.malformedChecksum ?? 'InvalidRequest',
    putBytesMax: options.putBytesMax ?? PUT_BYTES_MAX,
    holdAfterMs: options.holdAfterMs ?? HOLD_AFTER_MS,
    hostId,
    nextRequestId,
    elapsedMs: () => performance.now(),
    onRequest: options.onRequest,
  })
  const listener = createListener({
    pipeline,
    isTrusted: trustedProxies(options.trustedProxies ?? []),
    bodyTimeoutMs: options.bodyTimeoutMs ?? BODY_TIMEOUT_MS,
    hostId,
    nextRequestId,
    intercept(request, response) {
      // A website's pages are its own, whatever they are called.
      if (isWebsite(request.headers.host, websites.domains)) return false
      if (options.controlOnMain && isControl(request)) {
        void answer(request, response)
        return true
      }
      return options.tracker !== undefined && answerTracker(options.tracker, request, response)
    },
    isOurs({ method, url, host, authorization }) {
      if (isWebsite(host, websites.domains)) return true
      if (options.controlOnMain && control.owns(method, url, authorization)) return false
      return options.tracker === undefined || !isTrackers(method, url)
    },
  })

  function isControl({ method, url, headers }: IncomingMessage): boolean {
    return control.owns(method ?? '', url ?? '', headers.authorization)
  }

  return {
    control,
    attach: (server) => listener.attach(server),
    attachControl(server) {
      server.on('request', (request: IncomingMessage, response: ServerResponse) => {
        if (isControl(request)) void answer(request, response)
        else response.writeHead(404).end()
      })
    },
    [Symbol.dispose]() {
      listener[Symbol.dispose]()
      intake[Symbol.dispose]()
    },
  }
}

/** 16 upper-case hex digits: a random beginning for the process, then counting, so that none returns. */
function createRequestIds(): () => string {
  const prefix = randomBytes(4).toString('hex').toUpperCase()
  let count = randomBytes(4).readUInt32BE()
  return () => {
    count = (count + 1) >>> 0
    return prefix + count.toString(16).toUpperCase().padStart(8, '0')
  }
}
