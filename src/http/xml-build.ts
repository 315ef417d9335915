/**
 * Elements of a request's document to the typed value that they mean, by the model; where they come
 * from (`xml-read.ts`, `xml-scan.ts`) is not asked here.
 */
import { XML_DEPTH_MAX } from '../api/limits.ts'
import { MODEL } from '../api/model.gen.ts'
import { readShape } from '../api/model.ts'
import { readDate } from './date-text.ts'

/** The document cannot be taken; the caller knows S3's word for it. */
export class XmlError extends Error {
  override readonly name: string = 'XmlError'
}

export type Values = Record<string, unknown>
type Attributes = Readonly<Record<string, string>>

/** What an element stands for in the structure around it. */
interface ElementPlan {
  readonly member: string
  /** Of a list: the name of its items, '' where they stand bare; undefined: no list. */
  readonly item: string | undefined
  /** Of a text; a structure has none. */
  readonly convert: ((text: string) => unknown) | undefined
  /** Of a structure. */
  readonly shape: string
}

interface ShapePlan {
  readonly elements: ReadonlyMap<string, ElementPlan>
  readonly attributes: ReadonlyMap<string, ElementPlan>
  readonly required: readonly string[]
}

const plans = new Map<string, ShapePlan>()

function planOf(shape: string): ShapePlan {
  const known = plans.get(shape)
  if (known !== undefined) return known
  const elements = new Map<string, ElementPlan>()
  const attributes = new Map<string, ElementPlan>()
  const required: string[] = []
  for (const [member, about] of Object.entries(readShape(MODEL.shapes[shape] ?? '').members)) {
    const { type, place, wire, item } = about
    if (place !== 'element' && place !== 'attribute') continue
    const convert = type in MODEL.shapes ? undefined : converter(type, `${shape}.${member}`)
    const plan = { member, item, convert, shape: type }
    if (place === 'element') elements.set(wire, plan)
    else attributes.set(localName(wire), plan)
    if (about.required) required.push(member)
  }
  const plan = { elements, attributes, required }
  plans.set(shape, plan)
  return plan
}

/** `Key` of `s3:Key`. */
export function localName(name: string): string {
  const colon = name.indexOf(':')
  return colon === -1 ? name : name.slice(colon + 1)
}

/** Text of an element to its value; throws XmlError. */
function converter(type: string, rule: string): (text: string) => unknown {
  const values = MODEL.choices[rule]?.values
  switch (type) {
    case 'string':
      return values === undefined ? (text) => text : (text) => oneOf(values, text)
    case 'number':
      return toInteger
    case 'boolean':
      return toBoolean
    case 'date-time':
    case 'http-date':
      return toDate
    default:
      return (text) => Buffer.from(text, 'base64')
  }
}

function oneOf(values: readonly string[], text: string): string {
  const trimmed = text.trim()
  if (!values.includes(trimmed)) throw new XmlError(`unknown value ${trimmed}`)
  return trimmed
}

function toInteger(text: string): number {
  const value = Number(text)
  if (!/^\s*[-+]?\d+\s*$/.test(text) || !Number.isSafeInteger(value))
    throw new XmlError('no whole number')
  return value
}

function toBoolean(text: string): boolean {
  const trimmed = text.trim().toLowerCase()
  if (trimmed === 'true' || trimmed === '1') return true
  if (trimmed === 'false' || trimmed === '0') return false
  throw new XmlError('neither true nor false')
}

function toDate(text: string): Date {
  const date = readDate(text)
  if (date === undefined) throw new XmlError('no date')
  return date
}

/** An open element with others inside: a structure being filled, or a list of wrapped items. */
type Frame =
  | { readonly kind: 'structure'; readonly plan: ShapePlan; readonly value: Values }
  | { readonly kind: 'list'; readonly element: ElementPlan; readonly value: unknown[] }

/** Builds the value while a parser walks a well-formed document; one for each. Throws XmlError. */
export class ValueBuilder {
  readonly #root: string
  readonly #shape: string
  readonly #stack: Frame[] = []
  #top: Frame | undefined
  /** The open element whose text is being read, if there is one; and what takes its value. */
  #leaf: ElementPlan | undefined
  #taker: Values | unknown[] = []
  #text = ''
  /** Depth inside an element that the model does not know; 0: outside. */
  #skipped = 0
  readonly value: Values = {}

  constructor(root: string, shape: string) {
    this.#root = root
    this.#shape = shape
  }

  /** @param name local name */
  open(name: string, attributes: Attributes): void {
    if (this.#stack.length + this.#skipped >= XML_DEPTH_MAX) throw new XmlError('too deep')
    const top = this.#top
    if (this.#skipped > 0) this.#skipped += 1
    else if (this.#leaf !== undefined) throw new XmlError(`${name} inside a text`)
    else if (top === undefined) {
      if ((MODEL.rootAliases[name] ?? name) !== this.#root) throw new XmlError(`root ${name}`)
      this.#openStructure(this.#shape, this.value, attributes)
    } else if (top.kind === 'structure') {
      const element = top.plan.elements.get(name)
      if (element === undefined) this.#skipped = 1
      else this.#openMember(element, top.value, attributes)
    } else if (name === top.element.item) this.#openValue(top.element, top.value, attributes)
    else this.#skipped = 1
  }

  #openMember(element: ElementPlan, taker: Values, attributes: Attributes): void {
    const { member, item } = element
    if (item === '') {
      this.#openValue(element, (taker[member] ??= []) as unknown[], attributes)
      return
    }
    if (taker[member] !== undefined) throw new XmlError(`${member} twice`)
    if (item === undefined) {
      this.#openValue(element, taker, attributes)
      return
    }
    const value: unknown[] = []
    taker[member] = value
    this.#push({ kind: 'list', element, value })
  }

  /** One value, for the structure or the list that takes it. */
  #openValue(element: ElementPlan, taker: Values | unknown[], attributes: Attributes): void {
    if (element.convert !== undefined) {
      this.#text = ''
      this.#leaf = element
      this.#taker = taker
      return
    }
    const value: Values = {}
    give(value, element.member, taker)
    this.#openStructure(element.shape, value, attributes)
  }

  #openStructure(shape: string, value: Values, attributes: Attributes): void {
    const plan = planOf(shape)
    if (plan.attributes.size > 0) {
      for (const [name, text] of Object.entries(attributes)) {
        const attribute = plan.attributes.get(localName(name))
        if (attribute?.convert !== undefined) value[attribute.member] = attribute.convert(text)
      }
    }
    this.#push({ kind: 'structure', plan, value })
  }

  #push(frame: Frame): void {
    this.#stack.push(frame)
    this.#top = frame
  }

  text(text: string): void {
    if (this.#skipped > 0) return
    if (this.#leaf !== undefined) this.#text += text
    else if (/[^ \t\r\n]/.test(text)) throw new XmlError('text between elements')
  }

  close(): void {
    if (this.#skipped > 0) this.#skipped -= 1
    else if (this.#leaf !== undefined) {
      give(this.#leaf.convert?.(this.#text), this.#leaf.member, this.#taker)
      this.#leaf = undefined
    } else {
      const closed = this.#stack.pop()!
      this.#top = this.#stack.at(-1)
      if (closed.kind === 'list') return
      for (const member of closed.plan.required) {
        if (closed.value[member] === undefined) throw new XmlError(`${member} is missing`)
      }
    }
  }
}

function give(value: unknown, member: string, target: Values | unknown[]): void {
  if (Array.isArray(target)) target.push(value)
  else target[member] = value
}
