/**
 * Requests to typed inputs, by the model: one plan for each operation, made at its first request.
 *
 * The headers and parameters that came are looked up in the plan (not the plan's members in the
 * request), so that a request costs what it carries. Nothing but `S3Error` is thrown.
 */
import { S3Error } from '../api/error.ts'
import { MODEL } from '../api/model.gen.ts'
import { readShape, type Member } from '../api/model.ts'
import type { Input, OperationName } from '../api/operations.ts'
import type { Payload } from '../api/payload.ts'
import type { RequestHead } from './head.ts'
import { converterOf, type Convert } from './parse-value.ts'
import { XmlError } from './xml-build.ts'
import { readXml } from './xml-read.ts'

/**
 * What an operation does with the body of its request: nothing; reads an XML document or a short text
 * (both come whole, see XML_BYTES_MAX); or streams it.
 */
export type BodyKind = 'none' | 'xml' | 'text' | 'stream'

type Values = Record<string, unknown>

/** A member that a header or parameter fills. */
interface Binding {
  readonly member: string
  readonly convert: Convert
  /** Of a list: further values of the same header are added. */
  readonly isList: boolean
  /** Another member that the same header fills. */
  readonly next: Binding | undefined
}

interface BodyPlan {
  readonly kind: BodyKind
  /** Member that takes it; undefined: the members of the document are the input's own. */
  readonly member: string | undefined
  readonly isRequired: boolean
  /** Of a document: its root element and its shape. */
  readonly root: string
  readonly shape: string
  readonly malformed: 'MalformedXML' | 'MalformedACLError'
}

interface InputPlan {
  readonly hasBucket: boolean
  readonly hasKey: boolean
  readonly headers: ReadonlyMap<string, Binding>
  readonly params: ReadonlyMap<string, Binding>
  /** Member that takes all headers of the prefix. */
  readonly map: { readonly member: string; readonly prefix: string } | undefined
  readonly required: readonly { readonly member: string; readonly what: string }[]
  readonly body: BodyPlan
}

const plans = new Map<string, InputPlan>()

function planOf(operation: string): InputPlan {
  const known = plans.get(operation)
  if (known !== undefined) return known
  const plan = makePlan(operation)
  plans.set(operation, plan)
  return plan
}

function makePlan(operation: string): InputPlan {
  const input = MODEL.operations[operation]?.input ?? ''
  const { members } = readShape(MODEL.shapes[input] ?? '')
  const headers = new Map<string, Binding>()
  const params = new Map<string, Binding>()
  const required: { member: string; what: string }[] = []
  let map: InputPlan['map']
  for (const [member, about] of Object.entries(members)) {
    const { place, wire } = about
    if (place === 'prefix') map = { member, prefix: wire }
    if (place !== 'header' && place !== 'query') continue
    const bindings = place === 'header' ? headers : params
    const [convert, isList] = [converterOf(about), about.item !== undefined]
    bindings.set(wire, { member, convert, isList, next: bindings.get(wire) })
    if (about.required)
      required.push({ member, what: `${place === 'header' ? 'header' : 'parameter'}: ${wire}` })
  }
  const [hasBucket, hasKey] = ['Bucket' in members, 'Key' in members]
  return {
    hasBucket,
    hasKey,
    headers,
    params,
    map,
    required,
    body: bodyPlan(operation, input, members),
  }
}

function bodyPlan(
  operation: string,
  input: string,
  members: Readonly<Record<string, Member>>,
): BodyPlan {
  const malformed = MODEL.operations[operation]?.malformed ?? 'MalformedXML'
  const none = {
    kind: 'none',
    member: undefined,
    isRequired: false,
    root: '',
    shape: '',
    malformed,
  } as const
  for (const [member, { place, type, wire, required }] of Object.entries(members)) {
    if (place === 'element')
      return { ...none, kind: 'xml', isRequired: true, root: input, shape: input }
    if (place !== 'payload') continue
    const isRequired = required === true
    if (type === 'stream') return { ...none, kind: 'stream', member }
    if (!(type in MODEL.shapes)) return { ...none, kind: 'text', member, isRequired }
    return { ...none, kind: 'xml', member, isRequired, root: wire, shape: type }
  }
  return none
}

export function bodyKind(operation: string): BodyKind {
  return planOf(operation).body.kind
}

/** S3 wants Content-MD5 or a checksum with the body of this operation. */
export function checksumRequired(operation: string): boolean {
  return MODEL.operations[operation]?.checksum === true
}

/**
 * The input of an operation.
 *
 * Beyond the model: `ExpiresString` and `ResponseExpiresString` hold those dates as they came, for S3
 * keeps and echoes them whatever they are. A header without a value counts as absent, user metadata
 * excepted. Numbers above a page's limit are the operation's to cut.
 *
 * @param body what `bodyKind` asks for: the whole document or text, or the payload; absent: empty
 * @throws S3Error InvalidArgument, InvalidRequest, InvalidStorageClass, MalformedXML,
 *   MalformedACLError, MissingRequestBodyError
 */
export function parseInput<N extends OperationName>(
  operation: N,
  head: RequestHead,
  body?: Uint8Array | Payload,
): Input<N>
export function parseInput(
  operation: string,
  head: RequestHead,
  body?: Uint8Array | Payload,
): Values
export function parseInput(
  operation: string,
  head: RequestHead,
  body?: Uint8Array | Payload,
): Values {
  const plan = planOf(operation)
  const input: Values = {}
  if (plan.hasBucket) input['Bucket'] = head.bucket
  if (plan.hasKey) input['Key'] = head.key
  readHeaders(plan, head, input)
  if (head.query !== '') {
    for (const [name, text] of head.params) {
      const binding = plan.params.get(name)
      if (binding !== undefined) bind(binding, text, input)
    }
  }
  for (const { member, what } of plan.required) {
    if (input[member] === undefined)
      throw new S3Error('InvalidRequest', { message: `Missing required ${what}` })
  }
  if (plan.body.kind !== 'none') readBody(plan.body, body, input)
  return input
}

/** Headers as they came, then what a presigned URL carries in their place. */
function readHeaders(plan: InputPlan, head: RequestHead, input: Values): void {
  const { names, rawHeaders, hoisted } = head
  for (let i = 0; i < names.length; i++) readHeader(plan, names[i]!, rawHeaders[2 * i + 1]!, input)
  for (const [name, text] of hoisted) if (!names.includes(name)) readHeader(plan, name, text, input)
}

function readHeader({ headers, map }: InputPlan, name: string, text: string, input: Values): void {
  const binding = headers.get(name)
  if (binding !== undefined) {
    if (text !== '') bind(binding, text, input)
  } else if (map !== undefined && name.length > map.prefix.length && name.startsWith(map.prefix)) {
    const metadata = (input[map.member] ??= {}) as Record<string, string>
    addMetadata(metadata, name.slice(map.prefix.length), text)
  }
}

/** The first value of a name counts, but a list takes all. */
function bind(binding: Binding, text: string, input: Values): void {
  for (let each: Binding | undefined = binding; each !== undefined; each = each.next) {
    const present = input[each.member]
    if (present !== undefined && !each.isList) continue
    const value = each.convert(text)
    if (present !== undefined)
      input[each.member] = [...(present as unknown[]), ...(value as unknown[])]
    else if (value !== undefined) input[each.member] = value
  }
}

/** Values of the same name are joined, as S3 does. */
function addMetadata(metadata: Record<string, string>, name: string, text: string): void {
  if (Object.hasOwn(metadata, name)) metadata[name] = `${metadata[name]},${text}`
  else if (name === '__proto__')
    Object.defineProperty(metadata, name, {
      value: text,
      enumerable: true,
      writable: true,
      configurable: true,
    })
  else metadata[name] = text
}

function readBody(plan: BodyPlan, body: Uint8Array | Payload | undefined, input: Values): void {
  const { kind, member, isRequired, root, shape, malformed } = plan
  if (!(body instanceof Uint8Array)) {
    if (body !== undefined && kind === 'stream' && member !== undefined) input[member] = body
    else if (isRequired) throw new S3Error('MissingRequestBodyError')
    return
  }
  if (kind === 'stream') throw new TypeError('a streamed body comes as a Payload')
  if (body.byteLength === 0) {
    if (isRequired) throw new S3Error('MissingRequestBodyError')
    return
  }
  if (kind === 'text') {
    if (member !== undefined) input[member] = Buffer.from(body).toString()
    return
  }
  try {
    const value = readXml(body, root, shape)
    if (member === undefined) Object.assign(input, value)
    else input[member] = value
  } catch (error) {
    if (error instanceof XmlError) throw new S3Error(malformed, { cause: error })
    throw error
  }
}
