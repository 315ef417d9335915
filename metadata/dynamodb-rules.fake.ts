/**
 * For tests: DynamoDB's rules for what a request may say, as strict as the service: keys, sizes, the few
 * expressions that the engine uses. What it does not use is refused, so that nothing goes by unseen.
 */

/** As it stands in a request: bytes in base64. */
export type Value = { readonly S?: string; readonly B?: string }
export type Item = Readonly<Record<string, Value>>

export interface Conditioned {
  readonly ConditionExpression?: string
  readonly ExpressionAttributeValues?: Item
}

/** The service's answer to what it refuses. */
export class Refusal extends Error {
  readonly code: string
  readonly more: object

  constructor(code: string, message: string, more: object = {}) {
    super(message)
    this.code = code
    this.more = more
  }
}

export function invalid(message: string): Refusal {
  return new Refusal('ValidationException', message)
}

const HASH_BYTES_MAX = 2048
const RANGE_BYTES_MAX = 1024
const ITEM_BYTES_MAX: number = 400 * 1024

/** Refuses members that are not among `known`. */
export function checkMembers(request: object, known: readonly string[]): void {
  for (const name of Object.keys(request))
    if (!known.includes(name)) throw invalid(`unexpected member ${name}`)
}

/** The key alone, `p` and `s`, whole and within its bounds. */
export function checkKey(key: Item): void {
  if (Object.keys(key).sort().join() !== 'p,s')
    throw invalid('The provided key element does not match the schema')
  checkHash(key['p'])
  checkRange(key['s'])
}

function checkHash(value: Value | undefined): void {
  if (typeof value?.S !== 'string' || Object.keys(value).length !== 1)
    throw invalid('Type mismatch for key p expected: S')
  const size = Buffer.byteLength(value.S)
  if (size === 0) throw invalid('The AttributeValue for a key attribute cannot be empty. Key: p')
  if (size > HASH_BYTES_MAX) throw invalid('Size of hashkey has exceeded 2048 bytes')
}

function checkRange(value: Value | undefined): void {
  if (typeof value?.B !== 'string' || Object.keys(value).length !== 1)
    throw invalid('Type mismatch for key s expected: B')
  const size = bytesOf(value).length
  if (size === 0) throw invalid('The AttributeValue for a key attribute cannot be empty. Key: s')
  if (size > RANGE_BYTES_MAX) throw invalid('Size of rangekey has exceeded 1024 bytes')
}

export function checkItem(item: Item): void {
  checkKey({ p: item['p']!, s: item['s']! })
  for (const value of Object.values(item)) {
    const [type, ...others] = Object.keys(value)
    if (others.length > 0 || (type !== 'S' && type !== 'B'))
      throw invalid(`a value of type ${type}`)
  }
  if (sizeOf(item) > ITEM_BYTES_MAX)
    throw invalid('Item size has exceeded the maximum allowed size')
}

export function sizeOf(item: Item): number {
  let size = 0
  for (const [name, value] of Object.entries(item))
    size +=
      Buffer.byteLength(name) +
      (value.S === undefined ? bytesOf(value).length : Buffer.byteLength(value.S))
  return size
}

export function bytesOf(value: Value | undefined): Buffer {
  return Buffer.from(value?.B ?? '', 'base64')
}

/** Whether the condition holds for what stands there. None holds always. */
export function holds(request: Conditioned, item: Item | undefined): boolean {
  const { ConditionExpression: text, ExpressionAttributeValues: values } = request
  if (text === undefined) {
    if (values !== undefined)
      throw invalid('ExpressionAttributeValues can only be specified when using expressions')
    return true
  }
  const absent = /^attribute_not_exists\((\w+)\)$/.exec(text)
  if (absent !== null) {
    checkUsed(values, [])
    return item?.[absent[1]!] === undefined
  }
  const equal = /^(\w+) = (:\w+)$/.exec(text)
  if (equal === null) throw invalid(`Invalid ConditionExpression: ${text}`)
  checkUsed(values, [equal[2]!])
  const found = item?.[equal[1]!]
  return found !== undefined && JSON.stringify(found) === JSON.stringify(values![equal[2]!])
}

/** Ends of the sort keys that a query asks for, both inclusive, and its partition. */
export function rangeOf(
  text: string | undefined,
  values: Item | undefined,
): { readonly p: string; readonly least: Buffer; readonly most: Buffer } {
  const parts = /^p = (:\w+) AND s BETWEEN (:\w+) AND (:\w+)$/.exec(text ?? '')
  if (parts === null) throw invalid(`Invalid KeyConditionExpression: ${text}`)
  const [, p, least, most] = parts as unknown as [string, string, string, string]
  checkUsed(values, [p, least, most])
  checkHash(values![p])
  for (const end of [least, most]) checkRange(values![end])
  const range = { p: values![p]!.S!, least: bytesOf(values![least]), most: bytesOf(values![most]) }
  if (Buffer.compare(range.least, range.most) > 0)
    throw invalid('The BETWEEN operator requires upper bound to be greater than or equal to lower')
  return range
}

/** `s, r, v` */
export function project(item: Item, text: string | undefined): Item {
  if (text === undefined) return item
  if (!/^\w+(, \w+)*$/.test(text)) throw invalid(`Invalid ProjectionExpression: ${text}`)
  const names = text.split(', ')
  return Object.fromEntries(Object.entries(item).filter(([name]) => names.includes(name)))
}

function checkUsed(values: Item | undefined, used: readonly string[]): void {
  const given = Object.keys(values ?? {})
  if (values !== undefined && given.length === 0)
    throw invalid('ExpressionAttributeValues must not be empty')
  for (const name of given)
    if (!used.includes(name))
      throw invalid(`Value provided in values unused in expressions: ${name}`)
  for (const name of used)
    if (!given.includes(name))
      throw invalid(`An expression attribute value is not defined: ${name}`)
}
