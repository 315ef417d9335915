/** The wire of the Security Token Service: forms posted to `/`, and answers in its own XML. */
import type { S3Error } from '../api/error.ts'
import type { StsAnswer } from '../auth/sts.ts'
import type { RequestHead } from './head.ts'
import type { Rendered } from './render.ts'
import { escapeXml } from './xml-escape.ts'

/** A call's form; policies are the longest of it. */
export const STS_BYTES_MAX: number = 64 * 1024
const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/'

/** S3 has no such request: it would be refused. */
export function isStsCall(head: RequestHead): boolean {
  return (
    head.method === 'POST' &&
    head.bucket === undefined &&
    head.query === '' &&
    head.header('content-type')?.toLowerCase().startsWith('application/x-www-form-urlencoded') ===
      true
  )
}

export function renderSts(answer: StsAnswer, requestId: string): Rendered {
  const { action, credentials, user, sessionName } = answer
  const inner = elements({
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    SessionToken: credentials.sessionToken,
    Expiration: new Date(credentials.expiresMs).toISOString(),
  })
  const arn = `arn:aws:sts::${user.account}:assumed-role/${user.requester.displayName}/${sessionName}`
  const assumed =
    action === 'AssumeRole'
      ? `<AssumedRoleUser>${elements({ Arn: arn, AssumedRoleId: `${user.requester.id}:${sessionName}` })}</AssumedRoleUser>`
      : ''
  const result = `<${action}Result><Credentials>${inner}</Credentials>${assumed}</${action}Result>`
  const metadata = `<ResponseMetadata>${elements({ RequestId: requestId })}</ResponseMetadata>`
  const body = `<${action}Response xmlns="${NAMESPACE}">${result}${metadata}</${action}Response>`
  return { status: 200, headers: ['content-type', 'text/xml', 'cache-control', 'no-store'], body }
}

/** Codes that the service calls otherwise than S3. */
const CODES: Readonly<Record<string, string>> = {
  InvalidArgument: 'ValidationError',
  MalformedPolicy: 'MalformedPolicyDocument',
  InvalidAccessKeyId: 'InvalidClientTokenId',
}

export function renderStsError({ code, message, status }: S3Error, requestId: string): Rendered {
  const error = elements({
    Type: status < 500 ? 'Sender' : 'Receiver',
    Code: CODES[code] ?? code,
    Message: message,
  })
  const body = `<ErrorResponse xmlns="${NAMESPACE}"><Error>${error}</Error>${elements({ RequestId: requestId })}</ErrorResponse>`
  return { status, headers: ['content-type', 'text/xml'], body }
}

function elements(texts: Readonly<Record<string, string>>): string {
  return Object.entries(texts)
    .map(([name, text]) => `<${name}>${escapeXml(text)}</${name}>`)
    .join('')
}
