/**
 * Buckets as websites (S3: "Hosting a static website"): under their own host names, for browsers. There
 * are GET and HEAD, no signatures, an index for each folder, redirects, and pages instead of XML.
 */
import type { RoutingRule, WebsiteConfiguration } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { WebsiteLookup } from '../api/website.ts'
import { asS3Error, type RequestIds } from './error-xml.ts'
import { RequestHead } from './head.ts'
import type { Rendered } from './render.ts'
import { escapeXml } from './xml-escape.ts'

/** Websites that a gate serves. */
export interface Websites {
  /** Names under which buckets are websites (`bucket.name`), in lower case. */
  readonly domains: readonly string[]
  readonly read: WebsiteLookup
}

/** What a website needs of the gate, for one request. */
export interface WebsiteRequest {
  /** The bucket from the host name, the key as the path has it. */
  readonly head: RequestHead
  readonly bucket: string
  /** `http://site.example.com`: as the client sees it. */
  readonly origin: string
  readonly ids: RequestIds
  /** Gets an object for somebody unknown; rejects as GetObject does. */
  get(head: RequestHead): Promise<Rendered>
  /** Told what the answer says that is wrong. */
  refused(error: unknown): void
}

/** Whether a Host header names a website: a bucket under one of the domains. */
export function isWebsite(host: string | undefined, domains: readonly string[]): boolean {
  if (domains.length === 0 || host === undefined) return false
  const name = host.replace(/\.?(?::\d*)?$/, '').toLowerCase()
  return domains.some((domain) => name.length > domain.length + 1 && name.endsWith(`.${domain}`))
}

/** Answers; what goes wrong is a page, or the website's own error document. Never rejects. */
export async function serveWebsite(
  request: WebsiteRequest,
  read: WebsiteLookup,
): Promise<Rendered> {
  const { method } = request.head
  try {
    if (method !== 'GET' && method !== 'HEAD')
      throw new S3Error('MethodNotAllowed', {
        fields: { Method: method, ResourceType: 'OBJECT' },
        headers: { allow: 'GET, HEAD' },
      })
    const website = await read(request.bucket)
    if (website === undefined)
      throw new S3Error('NoSuchWebsiteConfiguration', { fields: { BucketName: request.bucket } })
    return await serve(request, website)
  } catch (error) {
    request.refused(error)
    return page(asS3Error(error), request)
  }
}

async function serve(request: WebsiteRequest, website: WebsiteConfiguration): Promise<Rendered> {
  const key = request.head.key ?? ''
  const { RedirectAllRequestsTo: all, RoutingRules: rules = [] } = website
  if (all !== undefined) return redirect(request, 301, all.HostName, all.Protocol, key, true)
  const rule = rules.find((each) => ofErrors(each) === undefined && hasPrefix(each, key))
  if (rule !== undefined) return redirectBy(request, rule, key)
  const suffix = website.IndexDocument?.Suffix ?? ''
  try {
    return await found(request, key === '' || key.endsWith('/') ? key + suffix : key)
  } catch (error) {
    const told = asS3Error(error)
    if (told.status < 400 || told.status >= 500) throw error
    const isFolder = told.status === 404 && key !== '' && !key.endsWith('/')
    if (isFolder && (await exists(request, `${key}/${suffix}`)))
      return redirect(request, 302, undefined, undefined, `${key}/`, true)
    const byError = rules.find(
      (each) => ofErrors(each) === String(told.status) && hasPrefix(each, key),
    )
    if (byError !== undefined) return redirectBy(request, byError, key)
    request.refused(error)
    return failed(request, website, told)
  }
}

const REDIRECT = 'x-amz-website-redirect-location'

/** The object, or where it says that it has gone (`x-amz-website-redirect-location`). */
async function found(request: WebsiteRequest, key: string): Promise<Rendered> {
  const rendered = await request.get(headOf(request.head, request.bucket, key, request.head.method))
  const at = rendered.headers.findIndex((name, i) => i % 2 === 0 && name === REDIRECT)
  if (at === -1) return rendered
  await release(rendered)
  const [, location = ''] = rendered.headers.splice(at, 2)
  return { status: 301, headers: ['location', location], body: undefined }
}

async function exists(request: WebsiteRequest, key: string): Promise<boolean> {
  try {
    await release(await request.get(headOf(request.head, request.bucket, key, 'HEAD')))
    return true
  } catch {
    return false
  }
}

/** The website's own document for errors, under the status of the error. */
async function failed(
  request: WebsiteRequest,
  { ErrorDocument: document }: WebsiteConfiguration,
  error: S3Error,
): Promise<Rendered> {
  if (document?.Key === undefined) throw error
  try {
    const { head, bucket } = request
    // Whole, whatever part of the object itself was asked for.
    const plain = new RequestHead(
      head.method,
      { bucket, key: document.Key, path: head.path, query: '' },
      [],
      [],
    )
    const { headers, body } = await request.get(plain)
    return { status: error.status, headers, body }
  } catch {
    throw error
  }
}

function headOf(head: RequestHead, bucket: string, key: string, method: string): RequestHead {
  return new RequestHead(
    method,
    { bucket, key, path: head.path, query: '' },
    head.rawHeaders,
    head.names,
  )
}

function ofErrors({ Condition: condition }: RoutingRule): string | undefined {
  return condition?.HttpErrorCodeReturnedEquals
}

function hasPrefix({ Condition: condition }: RoutingRule, key: string): boolean {
  return key.startsWith(condition?.KeyPrefixEquals ?? '')
}

function redirectBy(
  request: WebsiteRequest,
  { Redirect: to = {}, Condition: condition }: RoutingRule,
  key: string,
): Rendered {
  const prefix = condition?.KeyPrefixEquals ?? ''
  const replaced =
    to.ReplaceKeyPrefixWith === undefined ? key : to.ReplaceKeyPrefixWith + key.slice(prefix.length)
  const status = Number(to.HttpRedirectCode ?? 301)
  return redirect(request, status, to.HostName, to.Protocol, to.ReplaceKeyWith ?? replaced, false)
}

/** To a whole URL: a path alone could be read as another host's. */
function redirect(
  { origin, head }: WebsiteRequest,
  status: number,
  host: string | undefined,
  protocol: string | undefined,
  key: string,
  keepsQuery: boolean,
): Rendered {
  const [ownProtocol = 'http:', , ownHost = ''] = origin.split('/')
  const scheme = protocol === undefined ? ownProtocol : `${protocol}:`
  const query = keepsQuery && head.query !== '' ? `?${head.query}` : ''
  const path = key.split('/').map(encodeURIComponent).join('/')
  const location = `${scheme}//${host ?? ownHost}/${path}${query}`
  return { status, headers: ['location', location], body: undefined }
}

/** A body that nobody is going to read. */
async function release({ body }: Rendered): Promise<void> {
  if (typeof body === 'object' && !(body instanceof Uint8Array))
    await body[Symbol.asyncIterator]().return?.()
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  412: 'Precondition Failed',
  416: 'Requested Range Not Satisfiable',
  501: 'Not Implemented',
  503: 'Service Unavailable',
}

/** What S3 shows a browser instead of an error document. */
function page(error: S3Error, { head, ids }: WebsiteRequest): Rendered {
  const { status, code, message, fields } = error
  const headers = Object.entries(error.headers).flat()
  if (status === 304) return { status, headers, body: undefined }
  headers.push('content-type', 'text/html; charset=utf-8', 'x-amz-error-code', code)
  if (head.method === 'HEAD') return { status, headers, body: undefined }
  const title = `${status} ${REASONS[status] ?? 'Internal Server Error'}`
  const all = {
    Code: code,
    Message: message,
    ...fields,
    RequestId: ids.requestId,
    HostId: ids.hostId,
  }
  const items = Object.entries(all).map(([name, text]) => `<li>${name}: ${escapeXml(text)}</li>\n`)
  const body = `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n<ul>\n${items.join('')}</ul>\n<hr/>\n</body>\n</html>\n`
  return { status, headers, body }
}
