/**
 * Signature Version 2 (AWS: "Signing and authenticating REST requests"), for old clients, where it is
 * switched on: an Authorization header `AWS <key>:<signature>`, or a query with AWSAccessKeyId, Expires
 * and Signature.
 *
 * It signs the sub-resources of its day alone. A parameter that means something here and that it does not
 * sign could be added to a signed request by anybody: such requests have to be signed by version 4.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { S3Error } from '../api/error.ts'
import { MODEL } from '../api/model.gen.ts'
import type { AuthType, Identity, SignedRequest } from './authenticator.ts'
import { percentDecoded } from './canonical.ts'
import { anonymousBodyScheme } from './payload-hash.ts'
import { authorizationInvalid, dateMissing, timeTooSkewed } from './refusal.ts'
import { parseRequestTime } from './request-time.ts'
import type { Trust } from './trust.ts'

const SIGNED_PARAMETERS: ReadonlySet<string> = new Set([
  'accelerate',
  'acl',
  'analytics',
  'cors',
  'defaultObjectAcl',
  'delete',
  'inventory',
  'lifecycle',
  'location',
  'logging',
  'metrics',
  'notification',
  'object-lock',
  'partNumber',
  'policy',
  'replication',
  'requestPayment',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
  'restore',
  'select',
  'select-type',
  'storageClass',
  'tagging',
  'torrent',
  'uploadId',
  'uploads',
  'versionId',
  'versioning',
  'versions',
  'website',
])

/** Parameters of the model that choose what a request does. */
const SUBRESOURCES: ReadonlySet<string> = new Set([
  ...MODEL.subresources,
  ...Object.values(MODEL.operations).flatMap(({ query }) =>
    query.split('&').filter((pair) => pair !== '' && !pair.includes('=')),
  ),
])

interface Parameter {
  readonly name: string
  /** Decoded; undefined: it has none. */
  readonly value: string | undefined
}

interface Claim {
  readonly accessKeyId: string
  readonly signature: string
  readonly authType: AuthType
  /** What stands in the date's line: several where clients disagree. */
  readonly dates: readonly string[]
  readonly signedMs: number
}

/** Who signed the request by its Authorization header. */
export function authenticateByHeader2(
  request: SignedRequest,
  authorization: string,
  trust: Trust,
): Identity {
  const match = /^AWS ([^:\s]+):([A-Za-z0-9+/=]+)$/.exec(authorization)
  if (match === null)
    throw authorizationInvalid(
      'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature',
      authorization,
    )
  const amzDate = request.header('x-amz-date')
  const date = request.header('date')
  const time = parseRequestTime(amzDate ?? date ?? '')
  // Before 1970 S3 takes it for none.
  if (time === undefined || time.ms < 0) throw dateMissing()
  const now = trust.clock.now()
  if (Math.abs(now - time.ms) > trust.skewMaxMs)
    throw timeTooSkewed(amzDate ?? date ?? '', now, trust.skewMaxMs)
  // With an x-amz-date the line is empty; some clients sign the Date all the same.
  const dates = amzDate === undefined ? [date ?? ''] : ['', date ?? '']
  return verified(request, trust, {
    accessKeyId: match[1]!,
    signature: match[2]!,
    authType: 'REST-HEADER',
    dates,
    signedMs: time.ms,
  })
}

/** Who signed the URL. */
export function authenticateByQuery2(request: SignedRequest, trust: Trust): Identity {
  const found = new Map<string, string>()
  for (const { name, value } of parametersOf(request.query)) {
    if (name !== 'AWSAccessKeyId' && name !== 'Signature' && name !== 'Expires') continue
    // One that is there twice could be read in two ways.
    if (found.has(name)) throw incomplete()
    found.set(name, value ?? '')
  }
  const accessKeyId = found.get('AWSAccessKeyId')
  const signature = found.get('Signature')
  const expires = found.get('Expires')
  if (!accessKeyId || !signature || !expires) throw incomplete()
  if (!/^\d{1,12}$/.test(expires))
    throw new S3Error('AccessDenied', {
      message: `Invalid date (should be seconds since epoch): ${expires}`,
    })
  const now = trust.clock.now()
  if (now > Number(expires) * 1000)
    throw new S3Error('AccessDenied', {
      message: 'Request has expired',
      fields: {
        Expires: new Date(Number(expires) * 1000).toISOString(),
        ServerTime: new Date(now).toISOString(),
      },
    })
  return verified(request, trust, {
    accessKeyId,
    signature,
    authType: 'REST-QUERY-STRING',
    dates: [expires],
    signedMs: now,
  })
}

function incomplete(): S3Error {
  return new S3Error('AccessDenied', {
    message:
      'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters',
  })
}

function verified(request: SignedRequest, trust: Trust, claim: Claim): Identity {
  const { accessKeyId, signature, authType, dates, signedMs } = claim
  const parameters = parametersOf(request.query)
  refuseUnsigned(parameters)
  const owner = trust.keyring.owner(accessKeyId)
  if (owner === undefined)
    throw new S3Error('InvalidAccessKeyId', { fields: { AWSAccessKeyId: accessKeyId } })
  const resources = resourcesOf(request)
  const texts = dates.flatMap((date) =>
    resources.map((resource) => stringToSign2(request, parameters, date, resource)),
  )
  if (!texts.some((text) => isSigned(text, owner.secretAccessKey, signature)))
    throw new S3Error('SignatureDoesNotMatch', {
      fields: {
        AWSAccessKeyId: accessKeyId,
        StringToSign: texts[0]!,
        SignatureProvided: signature,
      },
    })
  const { user } = owner
  return {
    requester: user.requester,
    user,
    accessKeyId,
    body: anonymousBodyScheme(request.header('x-amz-content-sha256')),
    authType,
    signatureVersion: 'AWS',
    signedMs,
  }
}

function refuseUnsigned(parameters: readonly Parameter[]): void {
  for (const { name } of parameters) {
    if (!SUBRESOURCES.has(name) || SIGNED_PARAMETERS.has(name)) continue
    throw new S3Error('InvalidRequest', {
      message: `Signature Version 2 does not cover the parameter ${name}. Please use AWS4-HMAC-SHA256.`,
    })
  }
}

function isSigned(text: string, secret: string, signature: string): boolean {
  const expected = createHmac('sha1', secret).update(text, 'latin1').digest()
  const sent = Buffer.from(signature, 'base64')
  return sent.length === expected.length && timingSafeEqual(sent, expected)
}

/** Texts are latin1: one character, one byte. */
function stringToSign2(
  request: SignedRequest,
  parameters: readonly Parameter[],
  date: string,
  resource: string,
): string {
  const said = (name: string): string => valueOf(request, parameters, name)
  const lines = [request.method, said('content-md5'), said('content-type'), date]
  return `${lines.join('\n')}\n${amzHeaders(request, parameters)}${resource}${subresources(parameters)}`
}

/** A header, or the parameter that stands for it in a URL. */
function valueOf(request: SignedRequest, parameters: readonly Parameter[], name: string): string {
  return request.header(name) ?? parameters.find((each) => each.name === name)?.value ?? ''
}

/** `name:value` lines of all `x-amz-` headers, sorted; what comes several times is joined. */
function amzHeaders({ rawHeaders }: SignedRequest, parameters: readonly Parameter[]): string {
  const found = new Map<string, string>()
  const add = (name: string, value: string): void => {
    const before = found.get(name)
    found.set(name, before === undefined ? value : `${before},${value}`)
  }
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase()
    if (name.startsWith('x-amz-')) add(name, rawHeaders[at + 1]!.trim())
  }
  for (const { name, value } of parameters) {
    const lower = name.toLowerCase()
    if (lower.startsWith('x-amz-') && !found.has(lower)) add(lower, value ?? '')
  }
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value}\n`)
    .join('')
}

/** The resource, as clients write it: boto ends that of a bucket with a slash, whether its path does or not. */
function resourcesOf({ path, hostedBucket }: SignedRequest): readonly string[] {
  const whole = hostedBucket === undefined ? path : `/${hostedBucket}${path}`
  return /^\/[^/]+$/.test(whole) ? [whole, `${whole}/`] : [whole]
}

function subresources(parameters: readonly Parameter[]): string {
  const signed = parameters
    .filter(({ name }) => SIGNED_PARAMETERS.has(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, value }) => (value === undefined ? name : `${name}=${value}`))
  return signed.length === 0 ? '' : `?${signed.join('&')}`
}

function parametersOf(query: string): readonly Parameter[] {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=')
      return at === -1
        ? { name: percentDecoded(pair), value: undefined }
        : { name: percentDecoded(pair.slice(0, at)), value: percentDecoded(pair.slice(at + 1)) }
    })
}
