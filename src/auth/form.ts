/**
 * The signature of an upload by form (S3: "Authenticating requests: browser-based uploads using POST"):
 * it covers the policy alone, and the policy covers the form. Version 4, and version 2 where that is
 * allowed.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { S3Error } from '../api/error.ts'
import type { FormGrant, Identity, SignedForm } from './authenticator.ts'
import { checkPolicy } from './post-policy.ts'
import { mechanismUnsupported, QUERY_WORDING, queryMalformed } from './refusal.ts'
import { sameSignature } from './signing-key.ts'
import type { Trust } from './trust.ts'
import type { User } from './user.ts'

/** The fields of each version, as S3 names them where one is missing. */
const FIELDS_4 = ['X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Date', 'X-Amz-Signature'] as const
const FIELDS_2 = ['AWSAccessKeyId', 'Signature'] as const

/**
 * Who signed the form, and what they let it do; undefined where it is anonymous. Throws `S3Error` where
 * signature or policy are not good.
 */
export function authenticateForm(
  form: SignedForm,
  trust: Trust,
  allowsVersion2: boolean,
): FormGrant | undefined {
  const { fields } = form
  const speaks4 = FIELDS_4.some((name) => fields.has(name.toLowerCase()))
  const speaks2 = FIELDS_2.some((name) => fields.has(name.toLowerCase()))
  const policy = fields.get('policy')
  if (policy === undefined) {
    if (!speaks4 && !speaks2) return undefined
    throw fieldMissing('policy')
  }
  const [accessKeyId, user] = speaks4
    ? signerBy4(fields, policy, trust)
    : signerBy2(fields, policy, trust, allowsVersion2)
  const nowMs = trust.clock.now()
  const identity: Identity = {
    requester: user.requester,
    user,
    accessKeyId,
    body: { kind: 'unsigned' },
    authType: 'POST',
    signatureVersion: speaks4 ? 'AWS4-HMAC-SHA256' : 'AWS',
    signedMs: nowMs,
  }
  return { identity, bounds: checkPolicy(policy, form, nowMs) }
}

type Signer = readonly [accessKeyId: string, user: User]

function signerBy4(fields: SignedForm['fields'], policy: string, trust: Trust): Signer {
  const [algorithm, credential, date, signature] = required(fields, FIELDS_4)
  if (algorithm !== 'AWS4-HMAC-SHA256')
    throw queryMalformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
  const token = fields.get('x-amz-security-token') || undefined
  const scope = trust.resolve(credential!, QUERY_WORDING, token)
  if (!date!.startsWith(scope.date)) throw QUERY_WORDING.date(scope.date, date!)
  const isRight = sameSignature(scope.key.sign(latin1Of(policy)), signature!)
  if (scope.user === undefined) throw unknownKey(scope.accessKeyId)
  if (!isRight) throw mismatch(scope.accessKeyId, policy, signature!)
  trust.keyring.keep(scope)
  return [scope.accessKeyId, scope.user]
}

function signerBy2(
  fields: SignedForm['fields'],
  policy: string,
  { keyring }: Trust,
  isAllowed: boolean,
): Signer {
  const [accessKeyId, signature] = required(fields, FIELDS_2)
  if (!isAllowed) throw mechanismUnsupported()
  const owner = keyring.owner(accessKeyId!)
  if (owner === undefined) throw unknownKey(accessKeyId!)
  const expected = createHmac('sha1', owner.secretAccessKey).update(policy).digest()
  const sent = Buffer.from(signature!, 'base64')
  if (sent.length !== expected.length || !timingSafeEqual(sent, expected))
    throw mismatch(accessKeyId!, policy, signature!)
  return [accessKeyId!, owner.user]
}

function required(fields: SignedForm['fields'], names: readonly string[]): readonly string[] {
  return names.map((name) => {
    const value = fields.get(name.toLowerCase())
    if (!value) throw fieldMissing(name)
    return value
  })
}

/** The bytes of the text, each as one character: what a signing key takes. */
function latin1Of(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function fieldMissing(name: string): S3Error {
  return new S3Error('InvalidArgument', {
    message: `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    fields: { ArgumentName: name, ArgumentValue: '' },
  })
}

function unknownKey(accessKeyId: string): S3Error {
  return new S3Error('InvalidAccessKeyId', { fields: { AWSAccessKeyId: accessKeyId } })
}

function mismatch(accessKeyId: string, policy: string, signature: string): S3Error {
  return new S3Error('SignatureDoesNotMatch', {
    fields: { AWSAccessKeyId: accessKeyId, StringToSign: policy, SignatureProvided: signature },
  })
}
