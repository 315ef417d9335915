/**
 * Conditions of policies (IAM, "Condition operators"; "Creating a condition with multiple keys or
 * values"): each compiled once into one test of what a request says under one key.
 *
 * A key that a request says nothing under fails every operator but the negated ones, `Null` and those
 * that end in `IfExists`. Without a quantifier a key of several values is met by any of them, and a
 * negated operator is the opposite of the one that it negates.
 */
import { BlockList, isIP } from 'node:net'
import {
  type Context,
  contextKey,
  parsePattern,
  type Pattern,
  PatternError,
  type PatternOptions,
} from './policy-pattern.ts'

export interface Condition {
  /** As `contextKey` writes it. */
  readonly key: string
  /** As written, for who judges what is public. */
  readonly operator: string
  readonly values: readonly string[]
  holds(context: Context): boolean
}

export class ConditionError extends Error {
  override readonly name: string = 'ConditionError'
}

/** Tests one value of a request against all values of a policy. */
type Test = (value: string, context: Context) => boolean
/** Makes the test; throws `ConditionError` for values that are none of the operator's. */
type Compile = (values: readonly string[], hasVariables: boolean) => Test

interface Operator {
  readonly compile: Compile
  readonly isNegated: boolean
}

const ALL = 'forallvalues:'
const ANY = 'foranyvalue:'
const IF_EXISTS = 'ifexists'

/** @throws ConditionError where the operator is none, or a value is none of it */
export function compileCondition(
  operator: string,
  key: string,
  values: readonly string[],
  hasVariables: boolean,
): Condition {
  const named = { operator, key: contextKey(key), values }
  let name = operator.toLowerCase()
  const quantifier = name.startsWith(ALL) ? 'all' : name.startsWith(ANY) ? 'any' : undefined
  if (quantifier !== undefined) name = name.slice(quantifier === 'all' ? ALL.length : ANY.length)
  if (name === 'null' && quantifier === undefined) return { ...named, holds: absence(named) }
  const ifExists = name.endsWith(IF_EXISTS)
  if (ifExists) name = name.slice(0, -IF_EXISTS.length)
  const known = OPERATORS.get(name)
  if (known === undefined) throw new ConditionError(`Invalid Condition type : ${operator}`)
  const test = known.compile(values, hasVariables)
  const holds = quantified({ test, quantifier, ifExists, isNegated: known.isNegated })
  return { ...named, holds: (context) => holds(listOf(context.get(named.key)), context) }
}

interface Plan {
  readonly test: Test
  readonly quantifier: 'all' | 'any' | undefined
  readonly ifExists: boolean
  readonly isNegated: boolean
}

const NONE: readonly string[] = []

function listOf(said: string | readonly string[] | undefined): readonly string[] {
  if (said === undefined) return NONE
  return typeof said === 'string' ? [said] : said
}

function quantified({
  test,
  quantifier,
  ifExists,
  isNegated,
}: Plan): (said: readonly string[], context: Context) => boolean {
  return (said: readonly string[], context: Context): boolean => {
    if (said.length === 0)
      return ifExists || (quantifier === undefined ? isNegated : quantifier === 'all')
    switch (quantifier) {
      case 'all':
        return said.every((value) => test(value, context) !== isNegated)
      case 'any':
        return said.some((value) => test(value, context) !== isNegated)
      default:
        return said.some((value) => test(value, context)) !== isNegated
    }
  }
}

/** `Null`: "true" where the key has to be absent, "false" where it has to be there. */
function absence({
  key,
  values,
}: Pick<Condition, 'key' | 'values'>): (context: Context) => boolean {
  for (const value of values)
    if (!isBoolean(value)) throw new ConditionError(`Invalid Null value : ${value}`)
  return (context: Context): boolean => {
    const isAbsent = listOf(context.get(key)).length === 0
    return values.some((value) => (value.toLowerCase() === 'true') === isAbsent)
  }
}

/** Texts: as they are, in any case, or with wildcards. */
function texts(options: Omit<PatternOptions, 'variables'>): Compile {
  return (values, variables) => {
    const compiled = values.map((value) => patternOf(value, { ...options, variables }))
    return (value, context) => compiled.some((pattern) => pattern.matches(value, context))
  }
}

function patternOf(source: string, options: PatternOptions): Pattern {
  try {
    return parsePattern(source, options)
  } catch (error) {
    if (error instanceof PatternError) throw new ConditionError(error.message)
    throw error
  }
}

/** The same bytes, whatever their Base64. */
const bytes: Compile = (values) => {
  const known = new Set(values.map(canonicalBase64))
  return (value) => known.has(canonicalBase64(value))
}

function canonicalBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('base64')
}

/** `arn:partition:service:region:account:resource`; the last may hold colons. */
const ARN_PARTS = 6

function arnParts(arn: string): readonly string[] | undefined {
  const parts = arn.split(':')
  if (parts.length < ARN_PARTS || parts[0] !== 'arn') return undefined
  return [...parts.slice(0, ARN_PARTS - 1), parts.slice(ARN_PARTS - 1).join(':')]
}

/** Part by part, so that no star reaches over a colon; the two operators of ARNs do the same. */
const arns: Compile = (values, variables) => {
  const compiled = values.map((value) => {
    const parts = value === '*' ? ['arn', '*', '*', '*', '*', '*'] : arnParts(value)
    if (parts === undefined) throw new ConditionError(`Invalid ARN : ${value}`)
    return parts.map((part) => patternOf(part, { wild: true, variables }))
  })
  return (value, context) => {
    const parts = arnParts(value)
    return (
      parts !== undefined &&
      compiled.some((patterns) => patterns.every((one, at) => one.matches(parts[at]!, context)))
    )
  }
}

/** Numbers and times. A request's value that is none meets nothing. */
function ordered(
  read: (text: string) => number,
  holds: (value: number, bound: number) => boolean,
): Compile {
  return (values) => {
    const bounds = values.map((value) => {
      const bound = read(value)
      if (Number.isNaN(bound)) throw new ConditionError(`Invalid Condition value : ${value}`)
      return bound
    })
    return (text) => {
      const value = read(text)
      return !Number.isNaN(value) && bounds.some((bound) => holds(value, bound))
    }
  }
}

function numberOf(text: string): number {
  return /^[+-]?\d{1,30}(\.\d{1,30})?$/.test(text) ? Number(text) : NaN
}

const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d))?$/

/** ISO 8601, or seconds since 1970. */
function dateOf(text: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text) * 1000
  return ISO.test(text) ? Date.parse(text) : NaN
}

function isBoolean(text: string): boolean {
  return /^(true|false)$/i.test(text)
}

const booleans: Compile = (values) => {
  for (const value of values)
    if (!isBoolean(value)) throw new ConditionError(`Invalid Condition value : ${value}`)
  return (text) => values.some((value) => value.toLowerCase() === text.toLowerCase())
}

/** Addresses and networks in CIDR notation, of both families; IPv4 in IPv6 (`::ffff:`) counts as IPv4. */
const addresses: Compile = (values) => {
  const list = new BlockList()
  for (const value of values) {
    const { address, prefix, family } = networkOf(value)
    list.addSubnet(address, prefix, family)
  }
  return (text) => {
    const address = plainAddress(text)
    const version = isIP(address)
    return version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }
}

export interface Network {
  readonly address: string
  /** Bits that count. */
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** @throws ConditionError for what is no address or network */
export function networkOf(text: string): Network {
  const [address = '', bits, ...rest] = text.split('/')
  const version = isIP(address)
  const most = version === 4 ? 32 : 128
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : NaN
  if (version === 0 || rest.length > 0 || !(prefix <= most))
    throw new ConditionError(`Invalid IP address or range : ${text}`)
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' }
}

function plainAddress(text: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(text) ? text.slice('::ffff:'.length) : text
}

const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>(
  (
    [
      ['StringEquals', 'StringNotEquals', texts({ wild: false })],
      [
        'StringEqualsIgnoreCase',
        'StringNotEqualsIgnoreCase',
        texts({ wild: false, ignoreCase: true }),
      ],
      ['StringLike', 'StringNotLike', texts({ wild: true })],
      ['ArnEquals', 'ArnNotEquals', arns],
      ['ArnLike', 'ArnNotLike', arns],
      ['NumericEquals', 'NumericNotEquals', ordered(numberOf, (a, b) => a === b)],
      ['NumericLessThan', undefined, ordered(numberOf, (a, b) => a < b)],
      ['NumericLessThanEquals', undefined, ordered(numberOf, (a, b) => a <= b)],
      ['NumericGreaterThan', undefined, ordered(numberOf, (a, b) => a > b)],
      ['NumericGreaterThanEquals', undefined, ordered(numberOf, (a, b) => a >= b)],
      ['DateEquals', 'DateNotEquals', ordered(dateOf, (a, b) => a === b)],
      ['DateLessThan', undefined, ordered(dateOf, (a, b) => a < b)],
      ['DateLessThanEquals', undefined, ordered(dateOf, (a, b) => a <= b)],
      ['DateGreaterThan', undefined, ordered(dateOf, (a, b) => a > b)],
      ['DateGreaterThanEquals', undefined, ordered(dateOf, (a, b) => a >= b)],
      ['Bool', undefined, booleans],
      ['BinaryEquals', undefined, bytes],
      ['IpAddress', 'NotIpAddress', addresses],
    ] as const
  ).flatMap(([name, opposite, compile]) => {
    const operators: [string, Operator][] = [[name.toLowerCase(), { compile, isNegated: false }]]
    if (opposite !== undefined)
      operators.push([opposite.toLowerCase(), { compile, isNegated: true }])
    return operators
  }),
)
