/** JSON as S3 Select reads it: documents one after the other, and the records that FROM finds in each. */
import { memberOf } from './compile.ts'
import type { PathStep } from './query.ts'
import { SelectError } from './select-error.ts'
import type { SelectRecord, Value } from './value.ts'

export interface JsonFormat {
  readonly type: 'DOCUMENT' | 'LINES'
}

/** Nothing that JSON.parse would go on with for ever. */
const DEPTH_MAX = 200

/** Documents that stand behind each other, each cut out by its brackets; a batch for each chunk. */
export async function* splitDocuments(
  text: AsyncIterable<string>,
  lengthMax: number,
): AsyncGenerator<readonly string[], void, undefined> {
  let rest = ''
  let at = 0
  let depth = 0
  let isText = false
  for await (const chunk of text) {
    rest += chunk
    const documents: string[] = []
    for (; at < rest.length; at++) {
      const character = rest[at]!
      if (isText) {
        if (character === '\\') at++
        else if (character === '"') isText = false
      } else if (character === '"') isText = true
      else if (character === '{' || character === '[') {
        if (++depth > DEPTH_MAX) throw new SelectError('JSONParsingError', 'It is too deep.')
      } else if ((character === '}' || character === ']') && --depth <= 0) {
        documents.push(rest.slice(0, at + 1))
        rest = rest.slice(at + 1)
        at = -1
        depth = 0
      }
    }
    if (rest.length > lengthMax) throw new SelectError('OverMaxRecordSize')
    yield documents
  }
  yield [rest]
}

/** The records of one document. */
export function* jsonRecords(
  document: string,
  from: readonly PathStep[],
): Generator<SelectRecord, void, undefined> {
  for (const value of expanded(parse(document), from, true)) yield new JsonRecord(value)
}

/** Whole numbers that a double cannot hold are kept to the digit. */
function parse(document: string): Value {
  try {
    return /\d{16}/.test(document)
      ? (JSON.parse(document, reviveWide as Parameters<typeof JSON.parse>[1]) as Value)
      : (JSON.parse(document) as Value)
  } catch {
    throw new SelectError('JSONParsingError')
  }
}

function reviveWide(_name: string, value: unknown, context: { readonly source?: string }): unknown {
  const isWide =
    typeof value === 'number' &&
    Number.isInteger(value) &&
    !Number.isSafeInteger(value) &&
    /^-?\d+$/.test(context.source ?? '')
  return isWide ? BigInt(context.source!) : value
}

function* expanded(
  value: Value,
  steps: readonly PathStep[],
  isDocument: boolean,
): Generator<Value, void, undefined> {
  const [step, ...rest] = steps
  if (step === undefined) {
    yield value
    return
  }
  if (step.kind === 'all') {
    const all = itemsOf(value)
    // Of a document that is no list `S3Object[*]` means the document.
    if (isDocument && !Array.isArray(value)) yield* expanded(value, rest, false)
    else for (const item of all) yield* expanded(item, rest, false)
    return
  }
  if (typeof value !== 'object' || value === null) return
  const next =
    step.kind === 'name'
      ? memberOf(value, step.name, step.isExact)
      : Array.isArray(value)
        ? (value[step.index] as Value)
        : undefined
  if (next !== undefined) yield* expanded(next, rest, false)
}

function itemsOf(value: Value): readonly Value[] {
  if (Array.isArray(value)) return value as readonly Value[]
  return typeof value === 'object' && value !== null ? (Object.values(value) as Value[]) : []
}

class JsonRecord implements SelectRecord {
  readonly #value: Value

  constructor(value: Value) {
    this.#value = value
  }

  named(name: string, isExact: boolean): Value {
    const value = this.#value
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return memberOf(value, name, isExact)
    }
    return name === '_1' ? value : undefined
  }

  all(): readonly (readonly [name: string, value: Value])[] {
    const value = this.#value
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (Object.entries(value) as [string, Value][])
      : [['_1', value]]
  }
}
