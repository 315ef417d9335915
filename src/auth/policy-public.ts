/**
 * What S3 calls a public policy ("Blocking public access", "The meaning of public"): one with a
 * statement that lets everybody in and is not bound to fixed values of a key that a stranger cannot choose.
 */
import type { Condition } from './policy-condition.ts'
import { networkOf } from './policy-condition.ts'
import type { Policy, Statement } from './policy.ts'

/** Keys of S3's list; what they ask for is given by somebody else than who asks. */
const BINDING_KEYS: ReadonlySet<string> = new Set([
  'aws:principalaccount',
  'aws:principalarn',
  'aws:principalorgid',
  'aws:principalorgpaths',
  'aws:sourceaccount',
  'aws:sourcearn',
  'aws:sourceip',
  'aws:sourceorgid',
  'aws:sourceorgpaths',
  'aws:sourceowner',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:userid',
  'aws:username',
  's3:dataaccesspointaccount',
  's3:dataaccesspointarn',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
])

/** Operators by which a key is bound to what is listed. */
const BINDING_OPERATOR =
  /^(?:ForAnyValue:)?(?:String(?:Equals|EqualsIgnoreCase|Like)|Arn(?:Equals|Like)|IpAddress)$/i

/** Networks with fewer bits than these are the whole world, or nearly. */
const PREFIX_MIN = { ipv4: 8, ipv6: 32 }

export function isPublic(policy: Policy): boolean {
  return policy.statements.some(isPublicStatement)
}

/** Whom it allows something is anybody. */
export function isPublicStatement({ isDeny, principal, conditions }: Statement): boolean {
  return !isDeny && principal?.everyone === true && !conditions.some(binds)
}

function binds({ key, operator, values }: Condition): boolean {
  return (
    BINDING_KEYS.has(key) &&
    BINDING_OPERATOR.test(operator) &&
    values.every((value) => isFixed(key, value))
  )
}

function isFixed(key: string, value: string): boolean {
  if (key !== 'aws:sourceip') return !/[*?]|\$\{/.test(value)
  const { prefix, family } = networkOf(value)
  return prefix >= PREFIX_MIN[family]
}
