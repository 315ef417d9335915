/**
 * The policy of an upload by form (S3: "POST policy"): a document that whoever signs it lets somebody
 * else fill a form by. It expires, it bounds the file, and it must admit every field of the form.
 */
import { S3Error } from '../api/error.ts'

/** What a policy is held against. */
export interface FormClaims {
  /** The bucket that the request is to. */
  readonly bucket: string
  /** Values of the fields by their names in lower case, `${filename}` filled in. */
  readonly fields: ReadonlyMap<string, string>
}

/** Bytes that the file must have. */
export interface FileBounds {
  readonly min: number
  readonly max: number
}

interface Match {
  readonly kind: 'eq' | 'starts-with'
  /** In lower case. */
  readonly field: string
  readonly value: string
}

type Condition = Match | ({ readonly kind: 'range' } & FileBounds)

/** Needs no condition: says who fills the form in, not what is in it. */
const EXEMPT: ReadonlySet<string> = new Set([
  'awsaccesskeyid',
  'file',
  'policy',
  'signature',
  'x-amz-signature',
])
/** To be ignored; or says of the file what is verified, and lets nobody do anything. */
const EXEMPT_PREFIXES: readonly string[] = ['x-ignore-', 'x-amz-checksum-']
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/

/**
 * Checks a form against its policy (JSON in Base64). Throws InvalidPolicyDocument for what is no policy,
 * AccessDenied where it has expired or does not admit the form.
 */
export function checkPolicy(policy: string, claims: FormClaims, nowMs: number): FileBounds {
  const { expiration, conditions } = readPolicy(policy)
  if (expiration <= nowMs) throw denied('Policy expired.')
  const fields = new Map(claims.fields).set('bucket', claims.bucket)
  const covered = new Set<string>()
  let [min, max] = [0, Infinity]
  for (const written of conditions) {
    const condition = readCondition(written)
    if (condition.kind === 'range') {
      min = Math.max(min, condition.min)
      max = Math.min(max, condition.max)
    } else if (!holds(condition, fields.get(condition.field) ?? '')) {
      throw failed(written)
    } else covered.add(condition.field)
  }
  const extra = [...fields.keys()].filter((name) => !covered.has(name) && !isExempt(name))
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ')}`)
  return { min, max }
}

function isExempt(name: string): boolean {
  return EXEMPT.has(name) || EXEMPT_PREFIXES.some((prefix) => name.startsWith(prefix))
}

function readPolicy(text: string): {
  readonly expiration: number
  readonly conditions: readonly unknown[]
} {
  let policy: unknown
  try {
    policy = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64')),
    )
  } catch (cause) {
    throw invalid('Invalid JSON.', cause)
  }
  if (!isRecord(policy)) throw invalid('Invalid JSON.')
  const { expiration, conditions } = policy
  if (expiration === undefined) throw invalid('Policy missing expiration.')
  const time =
    typeof expiration === 'string' && DATE.test(expiration) ? Date.parse(expiration) : NaN
  if (Number.isNaN(time)) throw invalid(`Invalid 'expiration' value: ${JSON.stringify(expiration)}`)
  if (conditions === undefined) throw invalid('Policy missing conditions.')
  if (!Array.isArray(conditions)) throw invalid("Invalid 'conditions' value: must be a List.")
  return { expiration: time, conditions }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readCondition(written: unknown): Condition {
  if (Array.isArray(written)) return readListed(written)
  if (!isRecord(written)) throw invalid('Invalid Condition: must be a List or a Simple-Condition.')
  const [entry, ...more] = Object.entries(written)
  if (entry === undefined || more.length > 0)
    throw invalid(
      'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
    )
  const [name, value] = entry
  if (typeof value !== 'string') throw invalid('Invalid Simple-Condition: value must be a string.')
  return { kind: 'eq', field: name.toLowerCase(), value }
}

function readListed(written: readonly unknown[]): Condition {
  const [operator, first, second] = written
  if (written.length !== 3 || typeof operator !== 'string')
    throw invalid('Invalid Condition: a List has an operator and two arguments.')
  const kind = operator.toLowerCase()
  if (kind === 'content-length-range') return readRange(written, first, second)
  if (kind !== 'eq' && kind !== 'starts-with')
    throw invalid(`Invalid Condition: unknown operation '${operator}'.`)
  if (typeof first !== 'string' || typeof second !== 'string')
    throw invalid('Invalid Condition: both arguments must be strings.')
  // Without its sign a name names no field of the form, and so nothing that could be right.
  if (!first.startsWith('$')) throw failed(written)
  return { kind, field: first.slice(1).toLowerCase(), value: second }
}

function readRange(written: readonly unknown[], first: unknown, second: unknown): Condition {
  const [min, max] = [bytesOf(first), bytesOf(second)]
  if (min === undefined || max === undefined) throw failed(written)
  if (!(min >= 0 && max >= min))
    throw invalid(
      'Invalid content-length-range: two sizes in bytes are expected, the lesser first.',
    )
  return { kind: 'range', min, max }
}

/** S3 takes numbers, and texts that are numbers. */
function bytesOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
  return Number.isInteger(number) ? (number as number) : undefined
}

function holds({ kind, field, value }: Match, sent: string): boolean {
  if (kind === 'eq') return sent === value
  // Of several types in one Content-Type each has to begin so.
  const texts = field === 'content-type' ? sent.split(',') : [sent]
  return texts.every((text) => text.startsWith(value))
}

function failed(condition: unknown): S3Error {
  return denied(`Policy Condition failed: ${spelled(condition)}`)
}

/** As S3 spells it: a simple condition as the list that it stands for. */
function spelled(condition: unknown): string {
  const list = Array.isArray(condition)
    ? condition
    : Object.entries(condition as object).flatMap(([name, value]) => ['eq', `$${name}`, value])
  return `[${list.map((each) => JSON.stringify(each)).join(', ')}]`
}

function denied(what: string): S3Error {
  return new S3Error('AccessDenied', { message: `Invalid according to Policy: ${what}` })
}

function invalid(what: string, cause?: unknown): S3Error {
  return new S3Error('InvalidPolicyDocument', { message: `Invalid Policy: ${what}`, cause })
}
