/**
 * The Security Token Service's AssumeRole and GetSessionToken (AWS STS API reference, version 2011-06-15):
 * temporary credentials for who has lasting ones. There are no roles here: whoever assumes one keeps the
 * own rights, limited by the policy that the call names.
 */
import { hash } from 'node:crypto'
import { S3Error } from '../api/error.ts'
import type { SignedRequest } from './authenticator.ts'
import { canonicalQuery } from './canonical.ts'
import { parsePolicy } from './policy-parse.ts'
import { HEADER_WORDING, headerMalformed, headersNotSigned } from './refusal.ts'
import { freshTime, parseAuthorization } from './sigv4.ts'
import { issue, type TemporaryCredentials } from './temporary.ts'
import type { Trust } from './trust.ts'
import type { User } from './user.ts'
import { verify } from './verify.ts'

export interface StsAnswer {
  readonly action: 'AssumeRole' | 'GetSessionToken'
  readonly credentials: TemporaryCredentials
  readonly user: User
  /** Of AssumeRole. */
  readonly sessionName: string
}

const MINUTES_15 = 900
const ROLE_SECONDS = { preset: 3600, max: 12 * 3600 }
const TOKEN_SECONDS = { preset: 12 * 3600, max: 36 * 3600 }
const POLICY_LENGTH_MAX = 2048

/** Answers one call. Throws `S3Error`, where the signature is not good or the call is none. */
export function answerSts(request: SignedRequest, body: Uint8Array, trust: Trust): StsAnswer {
  const accessKeyId = authenticate(request, body, trust)
  const owner = trust.keyring.owner(accessKeyId)
  if (owner === undefined) throw new S3Error('AccessDenied')
  const call = new URLSearchParams(Buffer.from(body).toString())
  const action = call.get('Action')
  if (action !== 'AssumeRole' && action !== 'GetSessionToken')
    throw invalid(`Could not find operation ${action ?? ''} for version 2011-06-15`)
  const isRole = action === 'AssumeRole'
  const sessionName = isRole ? sessionNameOf(call) : 'session'
  const policy = isRole ? policyOf(call) : undefined
  const issuedMs = trust.clock.now()
  const expiresMs = issuedMs + secondsOf(call, isRole ? ROLE_SECONDS : TOKEN_SECONDS) * 1000
  const settings = { name: sessionName, issuedMs, expiresMs, policy }
  const credentials = issue(accessKeyId, owner, settings)
  return { action, credentials, user: owner.user, sessionName }
}

/** The access key that signed the call; its body is signed by its hash, which no header has to tell. */
function authenticate(request: SignedRequest, body: Uint8Array, trust: Trust): string {
  const authorization = request.header('authorization')
  if (!authorization) throw new S3Error('AccessDenied')
  const { credential, signedHeaders, signature } = parseAuthorization(authorization)
  const headers = trust.headerList(signedHeaders)
  if (headers === undefined) throw headerMalformed('the SignedHeaders component is malformed.')
  // Sessions make no sessions: what limits them would have to be carried on.
  if (request.header('x-amz-security-token') !== undefined) throw new S3Error('AccessDenied')
  const scope = trust.resolve(credential, HEADER_WORDING, undefined, 'sts')
  const { values, unsigned, authorizations } = headers.read(
    request.rawHeaders,
    'x-amz-content-sha256',
  )
  if (authorizations > 1) throw new S3Error('AccessDenied')
  if (unsigned.length > 0) throw headersNotSigned(unsigned)
  const time = freshTime(values[headers.date] ?? request.header('date'), trust)
  if (!time.stamp.startsWith(scope.date)) throw HEADER_WORDING.date(scope.date, time.stamp)
  verify(
    {
      method: request.method,
      path: request.path,
      query: canonicalQuery(request.query),
      headers,
      values,
      payloadHash: hash('sha256', body, 'hex'),
      stamp: time.stamp,
      scope,
      signature,
    },
    trust.around(request),
  )
  return scope.accessKeyId
}

function sessionNameOf(call: URLSearchParams): string {
  const arn = call.get('RoleArn') ?? ''
  if (arn.length < 20 || arn.length > 2048) throw invalid('RoleArn has 20 to 2048 characters')
  const name = call.get('RoleSessionName') ?? ''
  if (!/^[\w+=,.@-]{2,64}$/.test(name))
    throw invalid('RoleSessionName has 2 to 64 letters, digits and characters of _+=,.@-')
  return name
}

function policyOf(call: URLSearchParams): string | undefined {
  const policy = call.get('Policy') ?? undefined
  if (policy === undefined) return undefined
  if (policy.length > POLICY_LENGTH_MAX)
    throw invalid(`Policy has at most ${POLICY_LENGTH_MAX} characters`)
  parsePolicy(policy, { bucket: undefined })
  return policy
}

function secondsOf(
  call: URLSearchParams,
  { preset, max }: { readonly preset: number; readonly max: number },
): number {
  const text = call.get('DurationSeconds')
  if (text === null) return preset
  const seconds = /^\d{1,6}$/.test(text) ? Number(text) : NaN
  if (seconds >= MINUTES_15 && seconds <= max) return seconds
  throw invalid(`DurationSeconds is a number from ${MINUTES_15} to ${max}`)
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidArgument', { message })
}
