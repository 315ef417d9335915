/**
 * The control plane: health, metrics and documentation, by hono. It owns a few exact paths, for GET
 * and HEAD alone; whatever is one character beside them is a bucket's, and so is a request that bears
 * an S3 signature, whose sender means the bucket of that name.
 */
import { Hono } from 'hono'
import { isBearer } from './bearer.ts'
import { answerChanges, type ChangeSource } from './changes.ts'
import { DOCS_HEADERS, DOCS_PAGE } from './docs.ts'

export interface ControlOptions {
  /** What the server depends on: 'ok', or why not. */
  readonly ready: () => Promise<Readonly<Record<string, string>>>
  /** The numbers, in Prometheus' text format. */
  readonly metrics: () => Promise<string>
  /** Whoever asks for metrics must bear this token; undefined: everyone may. */
  readonly metricsToken: string | undefined
  /** The OpenAPI document, JSON. */
  readonly openapi: () => string
  /** The history of metadata, for those who follow it; undefined: none is kept, or nobody may. */
  readonly changes?: ChangeSource | undefined
}

export interface Control {
  /** By the method, the request target as on the wire, and the Authorization header. */
  readonly owns: (method: string, target: string, authorization: string | undefined) => boolean
  fetch(request: Request): Response | Promise<Response>
}

const PATHS: ReadonlySet<string> = new Set([
  '/health',
  '/healthz',
  '/readyz',
  '/metrics',
  '/docs',
  '/openapi.json',
])

/** Owned where there is a history. */
const CHANGES = '/changes'

/** Of SigV4 (`AWS4-HMAC-SHA256 ...`), SigV4A and SigV2 (`AWS key:signature`). */
const SIGNED_HEADER = /^AWS/i
/** Of presigned requests of versions 4 and 2. */
const SIGNED_QUERY = /[?&](?:x-amz-|awsaccesskeyid=)/i

export function createControl(options: ControlOptions): Control {
  const app = new Hono()
  app.get('/health', alive)
  app.get('/healthz', alive)
  app.get('/readyz', () => readiness(options))
  app.get('/metrics', (context) => metrics(options, context.req.header('authorization')))
  app.get('/docs', () => new Response(DOCS_PAGE, { headers: DOCS_HEADERS }))
  app.get(
    '/openapi.json',
    () => new Response(options.openapi(), { headers: { 'content-type': 'application/json' } }),
  )
  const { changes } = options
  if (changes) app.get(CHANGES, (context) => answerChanges(changes, context.req.raw))
  app.onError((_error, context) => context.json({ status: 'error' }, 500))
  const paths = changes ? new Set([...PATHS, CHANGES]) : PATHS
  return {
    owns: (method, target, authorization) => owns(paths, method, target, authorization),
    fetch: (request) => app.fetch(request),
  }
}

function alive(): Response {
  return Response.json({ status: 'ok' })
}

function owns(
  paths: ReadonlySet<string>,
  method: string,
  target: string,
  authorization: string | undefined,
): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  const query = target.indexOf('?')
  if (!paths.has(query < 0 ? target : target.slice(0, query))) return false
  if (authorization !== undefined && SIGNED_HEADER.test(authorization)) return false
  return query < 0 || !SIGNED_QUERY.test(target)
}

async function readiness({ ready }: ControlOptions): Promise<Response> {
  let checks: Readonly<Record<string, string>>
  try {
    checks = await ready()
  } catch {
    checks = { server: 'failed' }
  }
  const isReady = Object.values(checks).every((check) => check === 'ok')
  const status = isReady ? 200 : 503
  return Response.json({ status: isReady ? 'ok' : 'unavailable', checks }, { status })
}

async function metrics(
  { metrics, metricsToken }: ControlOptions,
  authorization: string | undefined,
): Promise<Response> {
  if (metricsToken !== undefined && !isBearer(authorization ?? '', metricsToken)) {
    return new Response('A bearer token is required.\n', {
      status: 401,
      headers: { 'www-authenticate': 'Bearer', 'content-type': 'text/plain; charset=utf-8' },
    })
  }
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }
  return new Response(await metrics(), { headers })
}
