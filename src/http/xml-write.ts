/**
 * XML documents of responses from typed values, by the model: one writer for each shape, made when
 * first needed. Members come in the model's order; absent ones are left out; a list that is given
 * wrapped shows its wrapper even when it is empty.
 *
 * A writer is compiled: the model becomes the text of a function. A page of a listing has thousands of
 * members, and a function that goes through a table of them takes five times as long. Nothing but names
 * of the model goes into that text, and only as string literals.
 */
import { MODEL } from '../api/model.gen.ts'
import { readShape, type Member } from '../api/model.ts'
import { writeHttpDate, writeIsoDate } from './date-text.ts'
import { escapeXml } from './xml-escape.ts'

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
const SCHEMA_INSTANCE = 'http://www.w3.org/2001/XMLSchema-instance'

type Write = (value: unknown) => string

/** What the text of a writer may call, by these names. */
interface Scope {
  readonly escape: typeof escapeXml
  readonly iso: typeof writeIsoDate
  readonly http: typeof writeHttpDate
  readonly base64: (bytes: Uint8Array) => string
  readonly content: (shape: string) => Write
  readonly attributes: (shape: string) => Write
}

const SCOPE: Scope = {
  escape: escapeXml,
  iso: writeIsoDate,
  http: writeHttpDate,
  base64: (bytes) => Buffer.from(bytes).toString('base64'),
  content: (shape) => writerOf(shape, isContent),
  attributes: (shape) => writerOf(shape, isAttribute),
}

type Chosen = (member: Member) => boolean

const isContent: Chosen = ({ place }) => place === 'element' || place === 'text'
const isAttribute: Chosen = ({ place }) => place === 'attribute'

const writers = new Map<Chosen, Map<string, Write>>([
  [isContent, new Map()],
  [isAttribute, new Map()],
])

function membersOf(shape: string, isChosen: Chosen): (readonly [name: string, member: Member])[] {
  return Object.entries(readShape(MODEL.shapes[shape] ?? '').members).filter(([, member]) =>
    isChosen(member),
  )
}

function writerOf(shape: string, isChosen: Chosen): Write {
  const known = writers.get(isChosen)!
  const found = known.get(shape)
  if (found !== undefined) return found
  const writer = compile(membersOf(shape, isChosen))
  known.set(shape, writer)
  return writer
}

/** The writers of shapes within are looked up when first used: shapes may hold themselves. */
class Source {
  readonly #declared: string[] = []

  shape(type: string, part: 'content' | 'attributes'): string {
    const name = `w${this.#declared.length}`
    this.#declared.push(name)
    return `(${name} ??= scope.${part}(${literal(type)}))`
  }

  function(body: string): string {
    const { escape, iso, http, base64 } = SCOPE
    const names = Object.keys({ escape, iso, http, base64 }).join(', ')
    const own = this.#declared.map((name) => `let ${name};`).join(' ')
    return `'use strict'; const { ${names} } = scope; ${own}
      return (value) => { let text = ''; let x; ${body} return text }`
  }
}

function literal(text: string): string {
  return JSON.stringify(text)
}

function compile(members: readonly (readonly [name: string, member: Member])[]): Write {
  const source = new Source()
  const body = members.map(
    ([name, member]) =>
      `x = value[${literal(name)}];
       if (x !== undefined && x !== null) { ${memberSource(member, source)} }`,
  )
  // oxlint-disable-next-line typescript/no-implied-eval -- of the model alone, see above
  const open = new Function('scope', source.function(body.join('\n'))) as (scope: Scope) => Write
  return open(SCOPE)
}

/** Statements that add the member, whose value is `x`, to `text`. */
function memberSource({ type, place, wire, item }: Member, source: Source): string {
  if (place === 'attribute') {
    const declared = wire.startsWith('xsi:') ? ` xmlns:xsi="${SCHEMA_INSTANCE}"` : ''
    return `text += ${literal(`${declared} ${wire}="`)} + ${scalar(type, 'x')} + '"'`
  }
  if (place === 'text') return `text += ${scalar(type, 'x')}`
  if (item === undefined) return element(wire, type, 'x', source)
  const items = `for (const y of x) { ${element(item === '' ? wire : item, type, 'y', source)} }`
  if (item === '') return items
  return `text += ${literal(`<${wire}>`)}; ${items} text += ${literal(`</${wire}>`)}`
}

function element(name: string, type: string, value: string, source: Source): string {
  const close = literal(`</${name}>`)
  if (!(type in MODEL.shapes))
    return `text += ${literal(`<${name}>`)} + ${scalar(type, value)} + ${close};`
  const content = `${source.shape(type, 'content')}(${value})`
  if (membersOf(type, isAttribute).length === 0)
    return `text += ${literal(`<${name}>`)} + ${content} + ${close};`
  const attributes = `${source.shape(type, 'attributes')}(${value})`
  return `text += ${literal(`<${name}`)} + ${attributes} + '>' + ${content} + ${close};`
}

/** An expression: the text of a scalar value. */
function scalar(type: string, value: string): string {
  switch (type) {
    case 'number':
    case 'boolean':
      return `String(${value})`
    case 'date-time':
      return `iso(${value})`
    case 'http-date':
      return `http(${value})`
    case 'string':
      return `escape(${value})`
    default:
      return `base64(${value})`
  }
}

/** A whole document: `root` around the members of `shape` that stand in elements. */
export function documentWriter(root: string, shape: string): Write {
  const content = writerOf(shape, isContent)
  const open = `${DECLARATION}<${root} xmlns="${NAMESPACE}">`
  const close = `</${root}>`
  return (value) => `${open}${content(value)}${close}`
}
