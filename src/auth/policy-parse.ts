/**
 * Policy documents to compiled policies: of buckets, and of users (which name no principal).
 *
 * Everything in a document is understood or refused: an element, a key or an operator that were passed
 * over could make a grant wider than it was meant. Refusals are MalformedPolicy, in S3's words.
 */
import { S3Error } from '../api/error.ts'
import { ACTIONS, KEY_ACTIONS } from './actions.ts'
import { isConditionKey } from './condition-keys.ts'
import { duplicateKey } from './policy-json.ts'
import type { Policy, PrincipalMatch, Statement } from './policy.ts'
import { compileCondition, type Condition, ConditionError } from './policy-condition.ts'
import { parsePattern, type Pattern, PatternError } from './policy-pattern.ts'

/** UTF-8 (S3: 20 KB). */
export const POLICY_BYTES_MAX: number = 20 * 1024

export interface PolicyOf {
  /** The bucket that the policy is to stand at; undefined: it is a user's. */
  readonly bucket: string | undefined
  /** Each action has to have a resource in its statement that it can be done to, as AWS wants it today. */
  readonly isStrict?: boolean
}

type Fields = Readonly<Record<string, unknown>>

const VERSIONS: ReadonlySet<unknown> = new Set(['2012-10-17', '2008-10-17'])
const POLICY_FIELDS: ReadonlySet<string> = new Set(['Version', 'Id', 'Statement'])
const STATEMENT_FIELDS: ReadonlySet<string> = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
])

/** @throws S3Error MalformedPolicy */
export function parsePolicy(text: string, of: PolicyOf): Policy {
  const document = readJson(text)
  refuseUnknown(document, POLICY_FIELDS)
  const version = document['Version'] ?? '2008-10-17'
  if (!VERSIONS.has(version)) throw malformed('The policy must contain a valid version string')
  const listed = document['Statement']
  if (listed === undefined) throw malformed('Missing required field Statement')
  const items: readonly unknown[] = Array.isArray(listed) ? listed : [listed]
  if (items.length === 0) throw malformed('Could not parse the policy: Statement is empty!')
  const variables = version === '2012-10-17'
  const statements = items.map((item) => parseStatement(item, of, variables))
  return {
    statements: [
      ...statements.filter(({ isDeny }) => isDeny),
      ...statements.filter(({ isDeny }) => !isDeny),
    ],
    readsTags: JSON.stringify(document).toLowerCase().includes('s3:existingobjecttag/'),
  }
}

function readJson(text: string): Fields {
  const notJson = malformed("Policies must be valid JSON and the first byte must be '{'")
  if (Buffer.byteLength(text) > POLICY_BYTES_MAX)
    throw malformed(
      `Normalized policy document exceeds the maximum allowed size of ${POLICY_BYTES_MAX} bytes.`,
    )
  if (!text.startsWith('{')) throw notJson
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw notJson
  }
  const twice = duplicateKey(text)
  if (twice !== undefined) throw malformed(`The field ${twice} is there twice`)
  return fieldsOf(document) ?? fail(notJson)
}

function fail(error: Error): never {
  throw error
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : undefined
}

function refuseUnknown(fields: Fields, known: ReadonlySet<string>): void {
  for (const name of Object.keys(fields))
    if (!known.has(name)) throw malformed(`Unknown field ${name}`)
}

function parseStatement(item: unknown, of: PolicyOf, variables: boolean): Statement {
  const fields = fieldsOf(item) ?? fail(malformed('Statement has to be an object'))
  refuseUnknown(fields, STATEMENT_FIELDS)
  const { Sid: sid, Effect: effect } = fields as {
    readonly Sid?: unknown
    readonly Effect?: unknown
  }
  if (sid !== undefined && typeof sid !== 'string') throw malformed('Invalid Sid')
  if (effect === undefined) throw malformed('Missing required field Effect')
  if (effect !== 'Allow' && effect !== 'Deny')
    throw malformed(`Invalid effect: ${JSON.stringify(effect)}`)
  const isDeny = effect === 'Deny'
  const who = parsePrincipal(fields, of, isDeny)
  const action = either(fields, 'Action', 'NotAction')
  const resource = hasNoResource(fields, of, isDeny)
    ? { values: [], isNot: false }
    : either(fields, 'Resource', 'NotResource')
  const resources = resource.values.map((value) => parseResource(value, of, variables))
  const actions = actionsOf(action.values, action.isNot, of)
  if (of.isStrict && !action.isNot && !resource.isNot) refuseIdle(action.values, resource.values)
  return {
    isDeny,
    ...(who !== undefined && { principal: who.match }),
    isNotPrincipal: who?.isNot === true,
    actions,
    resources,
    isNotResource: resource.isNot,
    conditions: parseConditions(fields['Condition'], of, variables),
  }
}

/** Before `compat: aws-2026` a bucket's policy may allow something to nothing, as Ceph's may; a Deny has to say what it is about. */
function hasNoResource(fields: Fields, { bucket, isStrict }: PolicyOf, isDeny: boolean): boolean {
  if (fields['Resource'] !== undefined || fields['NotResource'] !== undefined) return false
  return bucket !== undefined && isStrict !== true && !isDeny
}

/** The one of the two that is there. */
function either(
  fields: Fields,
  name: string,
  opposite: string,
): { readonly values: readonly string[]; readonly isNot: boolean } {
  const isNot = fields[opposite] !== undefined
  if (isNot && fields[name] !== undefined)
    throw malformed(`Statement has both ${name} and ${opposite}`)
  const said = isNot ? fields[opposite] : fields[name]
  if (said === undefined) throw malformed(`Missing required field ${name}`)
  const values = stringsOf(said) ?? fail(malformed(`Policy has invalid ${name.toLowerCase()}`))
  if (values.length === 0) throw malformed(`Missing required field ${name} cannot be empty!`)
  return { values, isNot }
}

function stringsOf(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value)) return undefined
  return value.every((each) => typeof each === 'string') ? value : undefined
}

function parsePrincipal(
  fields: Fields,
  { bucket }: PolicyOf,
  isDeny: boolean,
): { readonly match: PrincipalMatch; readonly isNot: boolean } | undefined {
  const { Principal: positive, NotPrincipal: negative } = fields as {
    readonly Principal?: unknown
    readonly NotPrincipal?: unknown
  }
  if (bucket === undefined) {
    if (positive === undefined && negative === undefined) return undefined
    throw malformed('Policy document should not specify a principal.')
  }
  if (positive !== undefined && negative !== undefined)
    throw malformed('Statement has both Principal and NotPrincipal')
  if (positive === undefined && negative === undefined)
    throw malformed('Missing required field Principal')
  const isNot = negative !== undefined
  if (isNot && !isDeny) throw malformed('Allow with NotPrincipal is not allowed')
  return { match: principalMatch(isNot ? negative : positive), isNot }
}

/** ARNs of users, roles, sessions and accounts. Accounts may be empty or words, as self-hosters write them. */
const PRINCIPAL_ARN = /^arn:aws[a-z-]*:(?:iam|sts)::[A-Za-z0-9_$-]*:[^*?\s]+$/
const ACCOUNT = /^\d{12}$/
const CANONICAL_ID = /^[A-Za-z0-9$_.-]{1,128}$/

function principalMatch(said: unknown): PrincipalMatch {
  const invalid = malformed('Invalid principal in policy')
  if (said === '*') return { everyone: true, names: new Set() }
  const kinds = fieldsOf(said) ?? fail(invalid)
  const names = new Set<string>()
  let everyone = false
  for (const [kind, value] of Object.entries(kinds)) {
    for (const name of stringsOf(value) ?? fail(invalid)) {
      if (kind === 'AWS') {
        if (name === '*') everyone = true
        else if (ACCOUNT.test(name) || PRINCIPAL_ARN.test(name)) names.add(name)
        else throw invalid
      } else if (kind === 'CanonicalUser') {
        if (!CANONICAL_ID.test(name)) throw invalid
        names.add(`canonical:${name}`)
      } else if (kind === 'Service' || kind === 'Federated') {
        // Known to IAM, and nobody here: such a statement means none of our users.
        names.add(`${kind.toLowerCase()}:${name}`)
      } else {
        throw invalid
      }
    }
  }
  if (names.size === 0 && !everyone) throw invalid
  return { everyone, names }
}

const ACTION = /^(?:\*|[a-z0-9-]+:[A-Za-z*?]+)$/i

/** Of a bucket each pattern has to mean an action of S3; a user's policy may speak of other services. */
function actionsOf(
  values: readonly string[],
  isNot: boolean,
  { bucket }: PolicyOf,
): ReadonlySet<string> {
  const meant = new Set<string>()
  for (const value of values) {
    if (!ACTION.test(value)) throw malformed('Policy has invalid action')
    const pattern = parsePattern(value, { wild: true, variables: false, ignoreCase: true })
    const matched = [...ALL_ACTIONS].filter((action) => pattern.matches(action, NOTHING))
    if (matched.length === 0 && bucket !== undefined) throw malformed('Policy has invalid action')
    for (const action of matched) meant.add(action)
  }
  return isNot ? new Set([...ALL_ACTIONS].filter((action) => !meant.has(action))) : meant
}

/** Those of S3, and the others that this gateway knows. */
const ALL_ACTIONS: ReadonlySet<string> = new Set([
  ...ACTIONS,
  'sts:AssumeRole',
  'sts:GetSessionToken',
  'sluice:Admin',
])

const NOTHING = { get: () => undefined }

const S3_ARN = /^arn:aws[a-z-]*:s3:[^:/]*:[^:/]*:(.+)$/s

function parseResource(value: string, { bucket }: PolicyOf, variables: boolean): Pattern {
  try {
    const pattern = parsePattern(value, { wild: true, variables })
    if (bucket !== undefined && !isOfBucket(value, bucket))
      throw malformed('Policy has invalid resource')
    return pattern
  } catch (error) {
    if (error instanceof PatternError) throw malformed('Policy has invalid resource')
    throw error
  }
}

/** A bucket's policy is about that bucket: what stands before the slash has to match its name. */
function isOfBucket(resource: string, bucket: string): boolean {
  if (resource === '*') return true
  const path = S3_ARN.exec(resource)?.[1]
  if (path === undefined) return false
  const slash = path.indexOf('/')
  const name = slash === -1 ? path : path.slice(0, slash)
  const pattern = parsePattern(name, { wild: true, variables: false })
  // Of `b*` what follows may be the bucket's name to its end, or go on into keys.
  return (
    pattern.matches(bucket, NOTHING) ||
    (slash === -1 && /[*]/.test(name) && startsLike(name, bucket))
  )
}

function startsLike(name: string, bucket: string): boolean {
  const literal = name.slice(0, name.indexOf('*'))
  return bucket.startsWith(literal) || `${bucket}/`.startsWith(literal)
}

/** Refuses a statement with an action on objects and resources that are buckets alone, or the reverse. */
function refuseIdle(actions: readonly string[], resources: readonly string[]): void {
  const paths = resources.map((resource) => S3_ARN.exec(resource)?.[1] ?? resource)
  const hasKeys = paths.some((path) => path.includes('/') || path.includes('*'))
  const hasBucket = paths.some((path) => !path.includes('/') || path.startsWith('*'))
  for (const action of actions) {
    const named = [...ACTIONS].find((known) => known.toLowerCase() === action.toLowerCase())
    if (named === undefined) continue
    if (KEY_ACTIONS.has(named) ? !hasKeys : !hasBucket)
      throw malformed('Action does not apply to any resource(s) in statement')
  }
}

function parseConditions(
  said: unknown,
  { bucket }: PolicyOf,
  variables: boolean,
): readonly Condition[] {
  if (said === undefined) return []
  const conditions: Condition[] = []
  for (const [operator, keys] of Object.entries(fieldsOf(said) ?? fail(invalidCondition()))) {
    for (const [key, value] of Object.entries(fieldsOf(keys) ?? fail(invalidCondition()))) {
      if (bucket !== undefined && !isConditionKey(key))
        throw malformed('Policy has an invalid condition key')
      conditions.push(conditionOf(operator, key, value, variables))
    }
  }
  return conditions
}

function conditionOf(operator: string, key: string, value: unknown, variables: boolean): Condition {
  const listed: readonly unknown[] = Array.isArray(value) ? value : [value]
  const values = listed.map((each) => {
    if (typeof each === 'string') return each
    if (typeof each === 'number' || typeof each === 'boolean') return String(each)
    throw invalidCondition()
  })
  if (values.length === 0) throw invalidCondition()
  try {
    return compileCondition(operator, key, values, variables)
  } catch (error) {
    if (error instanceof ConditionError) throw malformed(error.message)
    throw error
  }
}

function invalidCondition(): S3Error {
  return malformed('Conditions must be of the form {"operator": {"key": "value"}}')
}

function malformed(message: string): S3Error {
  return new S3Error('MalformedPolicy', { message })
}
