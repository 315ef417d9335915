/**
 * XML documents of responses from typed values, by the model: one writer for each shape, made when
 * first needed. Members come in the model's order; absent ones are left out; a list that is given
 * wrapped shows its wrapper even when it is empty.
 */
import { MODEL } from '../api/model.gen.ts'
import { readShape, type Member } from '../api/model.ts'
import { writeHttpDate, writeIsoDate } from './date-text.ts'

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
const SCHEMA_INSTANCE = 'http://www.w3.org/2001/XMLSchema-instance'

type Write = (value: unknown) => string
type Values = Readonly<Record<string, unknown>>

// Control characters (XML 1.0 has no way to write most of them) go out as references, as from S3:
// clients that care ask for encoding-type=url.
// oxlint-disable-next-line no-control-regex
const SPECIAL = /[&<>"\0-\x08\x0b-\x1f\x7f\ufffe\uffff]/
// oxlint-disable-next-line no-control-regex
const EACH_SPECIAL = /[&<>"\0-\x08\x0b-\x1f\x7f\ufffe\uffff]/g
/** An ETag: quotes around what needs no escape. */
const QUOTED = /^"[\w+/=.-]*"$/
const QUOTE = 0x22

const NAMED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
}

function reference(character: string): string {
  return NAMED[character] ?? `&#x${character.charCodeAt(0).toString(16)};`
}

/** Text inside an element or an attribute. */
export function escapeXml(text: string): string {
  if (text.charCodeAt(0) === QUOTE && QUOTED.test(text)) return `&quot;${text.slice(1, -1)}&quot;`
  return SPECIAL.test(text) ? text.replace(EACH_SPECIAL, reference) : text
}

/** `<name>`: start and end of an element. */
function tags(name: string): readonly [open: string, close: string] {
  return [`<${name}>`, `</${name}>`]
}

function scalarWriter(type: string): Write {
  switch (type) {
    case 'number':
    case 'boolean':
      return String
    case 'date-time':
      return (value) => writeIsoDate(value as Date)
    case 'http-date':
      return (value) => writeHttpDate(value as Date)
    case 'string':
      return (value) => escapeXml(value as string)
    default:
      return (value) => Buffer.from(value as Uint8Array).toString('base64')
  }
}

interface ShapeWriter {
  /** With their leading blanks; undefined: the shape has none. */
  readonly attributes: Write | undefined
  readonly content: Write
}

const writers = new Map<string, ShapeWriter>()

function writerOf(shape: string): ShapeWriter {
  const known = writers.get(shape)
  if (known !== undefined) return known
  const members = Object.entries(readShape(MODEL.shapes[shape] ?? '').members)
  const content = members.filter(([, { place }]) => place === 'element' || place === 'text')
  const attributes = members.filter(([, { place }]) => place === 'attribute')
  const writer = {
    attributes:
      attributes.length === 0
        ? undefined
        : inOrder(attributes.map(([name, member]) => [name, attributeWriter(member)])),
    content: inOrder(content.map(([name, member]) => [name, memberWriter(member)])),
  }
  writers.set(shape, writer)
  return writer
}

function inOrder(members: readonly (readonly [name: string, write: Write])[]): Write {
  const names = members.map(([name]) => name)
  const writes = members.map(([, write]) => write)
  return (values) => {
    let text = ''
    for (let i = 0; i < names.length; i++) {
      const value = (values as Values)[names[i]!]
      if (value !== undefined && value !== null) text += writes[i]!(value)
    }
    return text
  }
}

function attributeWriter({ type, wire }: Member): Write {
  const write = scalarWriter(type)
  const declared = wire.startsWith('xsi:') ? ` xmlns:xsi="${SCHEMA_INSTANCE}"` : ''
  return (value) => `${declared} ${wire}="${write(value)}"`
}

function memberWriter(member: Member): Write {
  const { type, place, wire, item } = member
  if (place === 'text') return scalarWriter(type)
  if (item === undefined) return elementWriter(wire, type)
  if (item === '') return itemsWriter(elementWriter(wire, type))
  const [open, close] = tags(wire)
  const items = itemsWriter(elementWriter(item, type))
  return (value) => `${open}${items(value)}${close}`
}

function itemsWriter(write: Write): Write {
  return (values) => {
    let text = ''
    for (const value of values as readonly unknown[]) text += write(value)
    return text
  }
}

/** One closure from value to element for each type: a listing calls thousands of them. */
function elementWriter(name: string, type: string): Write {
  const [open, close] = tags(name)
  if (type in MODEL.shapes) {
    // Shapes may hold themselves: the writer is looked up when it is first used.
    let writer: ShapeWriter | undefined
    return (value) => {
      writer ??= writerOf(type)
      const { attributes, content } = writer
      if (attributes === undefined) return open + content(value) + close
      return `<${name}${attributes(value)}>${content(value)}${close}`
    }
  }
  switch (type) {
    case 'string':
      return (value) => open + escapeXml(value as string) + close
    case 'date-time':
      return (value) => open + writeIsoDate(value as Date) + close
    case 'number':
    case 'boolean':
      return (value) => open + String(value) + close
    default: {
      const write = scalarWriter(type)
      return (value) => open + write(value) + close
    }
  }
}

/** A whole document: `root` around the members of `shape` that stand in elements. */
export function documentWriter(root: string, shape: string): Write {
  const [, close] = tags(root)
  const { content } = writerOf(shape)
  const open = `${DECLARATION}<${root} xmlns="${NAMESPACE}">`
  return (value) => `${open}${content(value)}${close}`
}
