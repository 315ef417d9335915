/**
 * Reads the schemas that `@aws-sdk/client-s3` exports for its operations into our own table.
 * Nothing of ours is in here: what AWS does otherwise than its model says is in `patches.ts`.
 */
import * as sdk from '@aws-sdk/client-s3'
import { NormalizedSchema } from '@smithy/core/schema'
import type { Member, OperationModel, Place, Shape } from '../src/api/model.ts'

/** Tags of the SDK's schemas that this generator looks for. */
const OPERATION = 9
const HTTP_DATE = 6
const EPOCH_SECONDS = 7

export interface SdkModel {
  readonly operations: Record<string, OperationModel>
  readonly shapes: Record<string, Shape>
}

type OperationSchema = readonly [
  tag: number,
  namespace: string,
  name: string,
  traits: { http: readonly [method: string, uri: string, status: number]; httpChecksum?: string },
  input: () => unknown,
  output: () => unknown,
]

function isOperation(value: unknown): value is OperationSchema {
  return Array.isArray(value) && value[0] === OPERATION
}

function schemaOf(reference: unknown): NormalizedSchema {
  return NormalizedSchema.of(reference as Parameters<typeof NormalizedSchema.of>[0])
}

function placeOf(traits: Record<string, unknown>): [Place, string | undefined] {
  const { httpHeader, httpQuery, httpPrefixHeaders } = traits
  if (traits['httpLabel'] || traits['hostLabel']) return ['path', undefined]
  if (typeof httpHeader === 'string') return ['header', httpHeader.toLowerCase()]
  if (typeof httpQuery === 'string') return ['query', httpQuery]
  if (typeof httpPrefixHeaders === 'string') return ['prefix', httpPrefixHeaders]
  if (traits['httpPayload']) return ['payload', undefined]
  return [traits['xmlAttribute'] ? 'attribute' : 'element', undefined]
}

class Reader {
  readonly shapes: Record<string, Shape> = {}

  /** Name of the type; a structure is read too. */
  typeOf(schema: NormalizedSchema, place: Place): string {
    if (schema.isStructSchema()) {
      if (schema.getMergedTraits().streaming) return 'events'
      return this.structure(schema)
    }
    if (schema.isMapSchema()) return 'map'
    if (schema.isBlobSchema()) return schema.getMergedTraits().streaming ? 'stream' : 'blob'
    if (schema.isNumericSchema()) return 'number'
    if (schema.isBooleanSchema()) return 'boolean'
    if (schema.isTimestampSchema()) {
      const tag: unknown = schema.getSchema()
      if (tag === EPOCH_SECONDS) throw new Error('epoch seconds are not known to the wire')
      return tag === HTTP_DATE || (place === 'header' && tag === 4) ? 'http-date' : 'date-time'
    }
    if (schema.isStringSchema()) return 'string'
    throw new Error(`unknown schema ${schema.getName(true)}`)
  }

  /** Reads a structure with all that it holds; gives its name. */
  structure(schema: NormalizedSchema): string {
    const name = schema.getName() ?? ''
    if (name in this.shapes) return name
    const members: Record<string, Member> = {}
    const root = schema.getOwnTraits().xmlName
    this.shapes[name] = typeof root === 'string' ? { root, members } : { members }
    // Required members stand first; the seventh element of the schema counts them.
    const required = Number((schema.getSchema() as unknown[])[6] ?? 0)
    let index = 0
    for (const [member, target] of schema.structIterator()) {
      members[member] = this.member(member, target, index < required)
      index += 1
    }
    return name
  }

  member(name: string, schema: NormalizedSchema, required: boolean): Member {
    const traits: Record<string, unknown> = schema.getMergedTraits()
    const [place, bound] = placeOf(traits)
    const { xmlName, xmlFlattened } = traits
    const wire = bound ?? (typeof xmlName === 'string' ? xmlName : name)
    const base = { place, wire, ...(required && { required }) } as const
    if (!schema.isListSchema()) return { type: this.typeOf(schema, place), ...base }
    const value = schema.getValueSchema()
    const item = value.getMergedTraits().xmlName
    const bare = xmlFlattened || place !== 'element'
    const named = typeof item === 'string' ? item : 'member'
    return { type: this.typeOf(value, place), item: bare ? '' : named, ...base }
  }
}

export function readSdk(): SdkModel {
  const reader = new Reader()
  const operations: Record<string, OperationModel> = {}
  const schemas = Object.values(sdk).filter((value) => isOperation(value))
  for (const [, , name, traits, input, output] of schemas as unknown as OperationSchema[]) {
    const [method, uri, status] = traits.http
    const [path = '', query = ''] = uri.split('?')
    const [inputSchema, outputSchema] = [schemaOf(input), schemaOf(output)]
    const inputName = inputSchema.isStructSchema() && reader.structure(inputSchema)
    const outputName = outputSchema.isStructSchema() && reader.structure(outputSchema)
    const hasBucket = inputName && 'Bucket' in (reader.shapes[inputName]?.members ?? {})
    operations[name] = {
      method,
      level: path.includes('{Key+}') ? 'key' : hasBucket || path !== '/' ? 'bucket' : 'root',
      ...(!path.includes('{') && path !== '/' && { word: path.slice(1) }),
      query: query.replace(/&?x-id=\w+/, ''),
      status,
      ...(inputName && { input: inputName }),
      ...(outputName && { output: outputName }),
    }
  }
  return { operations, shapes: reader.shapes }
}
