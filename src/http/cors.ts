/**
 * Cross-origin requests (S3: "Using cross-origin resource sharing"; the Fetch standard, section 3.2):
 * which rule of the bucket lets a web page's request through, and what browsers are told of it.
 *
 * A preflight is answered without a signature, for browsers send none. An actual request is carried out
 * whatever the rules say: without the headers it is the browser that keeps the answer from the page.
 */
import type { CORSRule } from '@aws-sdk/client-s3'
import type { CorsLookup } from '../api/cors.ts'
import { S3Error } from '../api/error.ts'
import type { RequestHead } from './head.ts'
import type { Rendered } from './render.ts'

const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'HEAD', 'POST', 'DELETE'])
/** The answer depends on these, so caches must keep them apart. */
const VARY = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method'
const NONE: readonly string[] = []

/**
 * The headers that an actual answer bears because of its request's Origin. A bucket that is not there,
 * or whose rules cannot be read, adds none: the answer itself tells what is wrong.
 */
export async function corsHeaders(
  rulesOf: CorsLookup,
  head: RequestHead,
  bucket: string,
  origin: string,
): Promise<readonly string[]> {
  const rules = await rulesOf(bucket).catch(() => undefined)
  if (rules === undefined) return NONE
  const method = head.header('access-control-request-method') ?? head.method
  const rule = findRule(rules, origin, method, NONE)
  return rule === undefined ? ['vary', VARY] : allowance(rule, origin)
}

/**
 * The answer to OPTIONS. Throws BadRequest where it is no preflight, AccessForbidden where no rule lets
 * the announced request through.
 */
export async function preflight(rulesOf: CorsLookup, head: RequestHead): Promise<Rendered> {
  const origin = head.header('origin')
  if (!origin)
    throw new S3Error('BadRequest', {
      message: 'Insufficient information. Origin request header needed.',
    })
  const method = head.header('access-control-request-method')
  if (method === undefined || !METHODS.has(method))
    throw new S3Error('BadRequest', {
      message: `Invalid Access-Control-Request-Method: ${method ?? 'null'}`,
    })
  const rules = await readRules(rulesOf, head.bucket, method)
  const asked = namesIn(head.header('access-control-request-headers'))
  const rule = findRule(rules, origin, method, asked)
  if (rule === undefined)
    throw new S3Error('AccessForbidden', {
      fields: { Method: method, ResourceType: head.key === undefined ? 'BUCKET' : 'OBJECT' },
      headers: { vary: VARY },
    })
  const headers = allowance(rule, origin)
  if (asked.length > 0) headers.push('access-control-allow-headers', asked.join(', '))
  return { status: 200, headers, body: undefined }
}

async function readRules(
  rulesOf: CorsLookup,
  bucket: string | undefined,
  method: string,
): Promise<readonly CORSRule[]> {
  const forbidden = (message: string): S3Error =>
    new S3Error('AccessForbidden', { message, fields: { Method: method, ResourceType: 'BUCKET' } })
  if (bucket === undefined) throw forbidden('CORSResponse: Bucket not found')
  const rules = await rulesOf(bucket).catch((error: unknown): never => {
    if (error instanceof S3Error && error.code === 'NoSuchBucket')
      throw forbidden('CORSResponse: Bucket not found')
    throw error
  })
  if (rules === undefined) throw forbidden('CORSResponse: CORS is not enabled for this bucket.')
  return rules
}

/** The first rule that admits origin, method and all of the headers. */
function findRule(
  rules: readonly CORSRule[],
  origin: string,
  method: string,
  headers: readonly string[],
): CORSRule | undefined {
  return rules.find(
    ({ AllowedOrigins, AllowedMethods, AllowedHeaders }) =>
      AllowedMethods?.includes(method) === true &&
      AllowedOrigins?.some((pattern) => matches(pattern, origin)) === true &&
      headers.every((name) =>
        AllowedHeaders?.some((pattern) => matches(pattern.toLowerCase(), name)),
      ),
  )
}

/** A pattern has at most one `*`, which stands for any text. */
export function matches(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*')
  if (star === -1) return pattern === text
  return (
    text.length >= pattern.length - 1 &&
    text.startsWith(pattern.slice(0, star)) &&
    text.endsWith(pattern.slice(star + 1))
  )
}

function allowance(rule: CORSRule, origin: string): string[] {
  // A rule for all origins says so, and then no cookies go along; else the origin is told back.
  const isForAll = rule.AllowedOrigins?.includes('*') === true
  const headers = ['access-control-allow-origin', isForAll ? '*' : origin]
  headers.push('access-control-allow-methods', (rule.AllowedMethods ?? []).join(', '))
  if (rule.ExposeHeaders?.length)
    headers.push('access-control-expose-headers', rule.ExposeHeaders.join(', '))
  if (rule.MaxAgeSeconds !== undefined)
    headers.push('access-control-max-age', String(rule.MaxAgeSeconds))
  if (!isForAll) headers.push('access-control-allow-credentials', 'true')
  headers.push('vary', VARY)
  return headers
}

/** Names of headers in a list, in lower case. */
function namesIn(list: string | undefined): readonly string[] {
  if (list === undefined) return NONE
  return list
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
}
