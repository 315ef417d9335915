/**
 * The patched model as an OpenAPI 3.1 document, for readers and for tools. Nothing in the gateway
 * reads it; it and the gateway come from one table, so that neither can drift from the other.
 *
 * OpenAPI knows an operation by path and method alone. Operations that a query or a header tells
 * apart stand under paths with a suffix, `/{Bucket}?acl`, as in AWS's own descriptions; a suffix
 * after `#` is a header.
 */
import type { Choice, Member, OperationModel, Shape } from '../src/api/model.ts'
import * as patches from './patches.ts'
import type { SdkModel } from './read-sdk.ts'

type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json }
type JsonObject = Readonly<Record<string, Json>>

/** Answers with a part of the object where Content-Range is among the output's headers. */
const PARTIAL_CONTENT = '206'

export function describe(
  { operations, shapes }: SdkModel,
  implemented: ReadonlySet<string>,
): JsonObject {
  const paths: Record<string, Record<string, Json>> = {}
  const documents = new Set<string>()
  for (const [name, operation] of Object.entries(operations)) {
    const path = pathOf(operation, shapes)
    const method = operation.method.toLowerCase()
    const item = (paths[path] ??= {})
    if (method in item) throw new Error(`${name} has the path ${path} of another operation`)
    item[method] = {
      ...operationOf(name, operation, shapes, documents),
      ...(!implemented.has(name) && { 'x-implemented': false }),
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice, the S3 API',
      version: '2006-03-01',
      description:
        'Every operation of S3 with its parameters, headers and documents. Operations without a handler answer 501 NotImplemented.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ signature: [] }, {}],
    paths: sorted(paths),
    components: {
      securitySchemes: {
        signature: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description:
            'AWS Signature Version 4 (service s3), in this header or in the query (presigned).',
        },
      },
      responses: { Error: { description: 'What went wrong', content: xmlOf('Error document') } },
      schemas: { 'Error document': ERROR, ...schemasOf(documents, shapes) },
    },
  }
}

const ERROR: JsonObject = {
  type: 'object',
  xml: { name: 'Error' },
  required: ['Code', 'Message'],
  properties: Object.fromEntries(
    ['Code', 'Message', 'Resource', 'RequestId', 'HostId'].map((name) => [
      name,
      { type: 'string' },
    ]),
  ),
}

function sorted(paths: Readonly<Record<string, JsonObject>>): JsonObject {
  return Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function membersOf(shape: string | undefined, shapes: SdkModel['shapes']): [string, Member][] {
  return Object.entries(shapes[shape ?? '']?.members ?? {})
}

function pathOf({ level, word, query, input }: OperationModel, shapes: SdkModel['shapes']): string {
  const base = { root: '/', bucket: '/{Bucket}', key: '/{Bucket}/{Key}' }[level]
  const required = membersOf(input, shapes).filter(([, member]) => member.required)
  const params = required.filter(([, { place }]) => place === 'query').map(([, { wire }]) => wire)
  const headers = required.filter(([, { place }]) => place === 'header').map(([, { wire }]) => wire)
  const search = [...query.split('&'), ...params].filter((each) => each !== '').join('&')
  return `${word === undefined ? base : `/${word}`}${search === '' ? '' : `?${search}`}${headers.map((each) => `#${each}`).join('')}`
}

function operationOf(
  name: string,
  operation: OperationModel,
  shapes: SdkModel['shapes'],
  documents: Set<string>,
): JsonObject {
  const input = membersOf(operation.input, shapes)
  const body = bodyOf(operation.input, shapes, documents)
  const isRequired = input.some(([, { place, required }]) => place === 'payload' && required)
  const isRanged = 'ContentRange' in (shapes[operation.output ?? '']?.members ?? {})
  const success = responseOf(operation.output, shapes, documents)
  return {
    operationId: name,
    externalDocs: { url: `https://docs.aws.amazon.com/AmazonS3/latest/API/API_${name}.html` },
    parameters: input.flatMap(([member, about]) => parameterOf(member, about)),
    ...(body !== undefined && { requestBody: { required: isRequired, content: body } }),
    responses: {
      [operation.status]: success,
      ...(isRanged && { [PARTIAL_CONTENT]: success }),
      default: { $ref: '#/components/responses/Error' },
    },
  }
}

function parameterOf(name: string, member: Member): JsonObject[] {
  const { place, wire, required } = member
  if (place !== 'path' && place !== 'query' && place !== 'header') return []
  // Named beside the model's member of the same header: one parameter, not two.
  if (name === 'ExpiresString' || name === 'ResponseExpiresString') return []
  return [
    {
      name: place === 'path' ? name : wire,
      in: place,
      ...(required && { required }),
      schema: schemaOf(member, patches.CHOICES[wire]),
      'x-member': name,
    },
  ]
}

function responseOf(
  shape: string | undefined,
  shapes: SdkModel['shapes'],
  documents: Set<string>,
): JsonObject {
  const headers: Record<string, Json> = {}
  for (const [name, member] of membersOf(shape, shapes)) {
    if (member.place === 'header')
      headers[member.wire] = { schema: schemaOf(member, undefined), 'x-member': name }
    if (member.place === 'prefix')
      headers[`${member.wire}*`] = { schema: { type: 'string' }, 'x-member': name }
  }
  const content = bodyOf(shape, shapes, documents)
  return {
    description: 'Success',
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(content !== undefined && { content }),
  }
}

function xmlOf(schema: string): JsonObject {
  const $ref = `#/components/schemas/${encodeURIComponent(schema)}`
  return { 'application/xml': { schema: { $ref } } }
}

/** Content of the body of an input or output, if it has one. */
function bodyOf(
  name: string | undefined,
  shapes: SdkModel['shapes'],
  documents: Set<string>,
): JsonObject | undefined {
  for (const [, { place, type }] of membersOf(name, shapes)) {
    if (place === 'element' || place === 'text') {
      documents.add(name ?? '')
      return xmlOf(name ?? '')
    }
    if (place !== 'payload') continue
    if (type in shapes) {
      documents.add(type)
      return xmlOf(type)
    }
    if (type === 'string') return { 'application/json': { schema: {} } }
    return { '*/*': { schema: { type: 'string', format: 'binary' } } }
  }
  return undefined
}

function schemaOf({ type, item, place, wire }: Member, choice: Choice | undefined): JsonObject {
  const one: JsonObject = {
    ...({
      number: { type: 'integer', ...boundsOf(wire) },
      boolean: { type: 'boolean' },
      'http-date': { type: 'string', format: 'http-date' },
      'date-time': { type: 'string', format: 'date-time' },
      blob: { type: 'string', contentEncoding: 'base64' },
    }[type] ?? { type: 'string' }),
    ...(choice !== undefined && { enum: choice.values }),
  }
  return item === undefined || place === 'element' ? one : { type: 'array', items: one }
}

function boundsOf(wire: string): JsonObject {
  const bounds = patches.BOUNDS[wire]
  return bounds === undefined ? {} : { minimum: bounds.min, maximum: bounds.max }
}

/** Schemas of the documents and of all that they hold. */
function schemasOf(documents: ReadonlySet<string>, shapes: SdkModel['shapes']): JsonObject {
  const schemas: Record<string, JsonObject> = {}
  const pending = [...documents].sort()
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const shape = shapes[name]
    if (shape === undefined || name in schemas) continue
    schemas[name] = structureOf(name, shape, shapes)
    for (const { type } of Object.values(shape.members)) pending.push(type)
  }
  return sorted(schemas)
}

function structureOf(
  name: string,
  { root, members }: Shape,
  shapes: SdkModel['shapes'],
): JsonObject {
  const properties: Record<string, Json> = {}
  const required: string[] = []
  for (const [member, about] of Object.entries(members)) {
    const { place, wire } = about
    if (place !== 'element' && place !== 'attribute' && place !== 'text') continue
    if (about.required) required.push(wire)
    properties[wire] = propertyOf(about, patches.CHOICES[`${name}.${member}`], shapes)
  }
  return {
    type: 'object',
    ...(root !== undefined && { xml: { name: root } }),
    ...(required.length > 0 && { required }),
    properties,
  }
}

function propertyOf(
  member: Member,
  choice: Choice | undefined,
  shapes: SdkModel['shapes'],
): JsonObject {
  const { type, place, item } = member
  const one = type in shapes ? { $ref: `#/components/schemas/${type}` } : schemaOf(member, choice)
  if (place === 'attribute') return { ...one, xml: { attribute: true } }
  if (item === undefined) return one
  if (item === '') return { type: 'array', items: one }
  return { type: 'array', items: { ...one, xml: { name: item } }, xml: { wrapped: true } }
}
