/**
 * Typed outputs to responses, by the model: one plan for each operation, made at its first response.
 * The members that an output has are looked up in the plan, so that a response costs what it carries.
 */
import { MODEL } from '../api/model.gen.ts'
import { readShape, type Member } from '../api/model.ts'
import type { OperationName, Output } from '../api/operations.ts'
import type { Body } from '../lib/stream.ts'
import type { SelectEvent } from '../api/select-event.ts'
import { writeHttpDate, writeIsoDate } from './date-text.ts'
import { EVENT_STREAM_TYPE, framed } from './event-stream.ts'
import { documentWriter } from './xml-write.ts'

export interface Rendered {
  readonly status: number
  /**
   * [name, value, name, value, ...] for `writeHead`, names in lower case; the transport's to add to.
   * Content-Length is there only where the output tells it (objects): of a body in hand the transport adds it.
   */
  readonly headers: string[]
  /** Undefined: none. A string is UTF-8 text. */
  readonly body: string | Uint8Array | Body | undefined
}

type Values = Readonly<Record<string, unknown>>

/** Where a member of an output goes; a member of the XML document goes nowhere by itself. */
type Binding =
  | {
      readonly kind: 'header'
      readonly name: string
      readonly write: (value: unknown) => string
      readonly unless: string | undefined
    }
  | { readonly kind: 'map'; readonly prefix: string }
  | {
      readonly kind: 'body'
      readonly write: ((value: unknown) => string | Body) | undefined
      readonly mediaType: string | undefined
    }

interface OutputPlan {
  readonly status: number
  readonly bindings: ReadonlyMap<string, Binding>
  /** The document that the output is as a whole, where it is one. */
  readonly document: ((output: Values) => string) | undefined
  /** With Content-Range it is a part of the object that goes out: 206. */
  readonly isRanged: boolean
}

const XML = 'application/xml'
const PARTIAL_CONTENT = 206

const plans = new Map<string, OutputPlan>()

function planOf(operation: string): OutputPlan {
  const known = plans.get(operation)
  if (known !== undefined) return known
  const plan = makePlan(operation)
  plans.set(operation, plan)
  return plan
}

function makePlan(operation: string): OutputPlan {
  const { output, status = 200 } = MODEL.operations[operation] ?? {}
  if (output === undefined)
    return { status, bindings: new Map(), document: undefined, isRanged: false }
  const { root, members } = readShape(MODEL.shapes[output] ?? '')
  const entries = Object.entries(members)
  const bindings = new Map<string, Binding>()
  for (const [name, member] of entries) {
    const binding = bindingOf(member, members)
    if (binding !== undefined) bindings.set(name, binding)
  }
  const isDocument = entries.some(([, { place }]) => place === 'element' || place === 'text')
  const document = isDocument ? documentWriter(root ?? output, output) : undefined
  return { status, bindings, document, isRanged: bindings.has('ContentRange') }
}

function bindingOf(member: Member, members: Readonly<Record<string, Member>>): Binding | undefined {
  const { type, place, wire } = member
  if (place === 'prefix') return { kind: 'map', prefix: wire }
  if (place === 'payload') {
    if (type in MODEL.shapes)
      return { kind: 'body', write: documentWriter(wire, type), mediaType: XML }
    if (type === 'events') {
      const write = (value: unknown): Body => framed(value as AsyncIterable<SelectEvent>)
      return { kind: 'body', write, mediaType: EVENT_STREAM_TYPE }
    }
    // The one text is the bucket's policy.
    return {
      kind: 'body',
      write: undefined,
      mediaType: type === 'string' ? 'application/json' : undefined,
    }
  }
  if (place !== 'header') return undefined
  // Expires is kept as text; the date of the model is for who has nothing better.
  const isDate = type === 'http-date'
  const text = Object.entries(members).find(
    ([, other]) => other !== member && other.wire === wire && other.place === place,
  )
  return {
    kind: 'header',
    name: wire,
    write: headerWriter(member),
    unless: isDate ? text?.[0] : undefined,
  }
}

function headerWriter({ type, item }: Member): (value: unknown) => string {
  if (item !== undefined) return (value) => (value as readonly string[]).join(', ')
  if (type === 'http-date') return (value) => writeHttpDate(value as Date)
  if (type === 'date-time') return (value) => writeIsoDate(value as Date)
  return String
}

/**
 * The response that an output is. Members that are undefined are left out; members that the model
 * does not know are not looked at.
 */
export function renderOutput<N extends OperationName>(operation: N, output: Output<N>): Rendered
export function renderOutput(operation: string, output: object): Rendered
export function renderOutput(operation: string, output: object): Rendered {
  const { status, bindings, document, isRanged } = planOf(operation)
  const values = output as Values
  const headers: string[] = []
  let body: Rendered['body']
  for (const name in values) {
    const value = values[name]
    if (value === undefined || value === null) continue
    const binding = bindings.get(name)
    if (binding === undefined) continue
    if (binding.kind === 'header') {
      if (binding.unless !== undefined && values[binding.unless] !== undefined) continue
      headers.push(binding.name, typeof value === 'string' ? value : binding.write(value))
    } else if (binding.kind === 'map') {
      const map = value as Readonly<Record<string, string>>
      for (const each in map) headers.push(binding.prefix + each, map[each]!)
    } else {
      if (binding.mediaType !== undefined) headers.push('content-type', binding.mediaType)
      body = binding.write === undefined ? (value as Body) : binding.write(value)
    }
  }
  if (document !== undefined) {
    headers.push('content-type', XML)
    body = document(values)
  }
  const isPartial = isRanged && values['ContentRange'] !== undefined
  return { status: isPartial ? PARTIAL_CONTENT : status, headers, body }
}
