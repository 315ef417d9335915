/**
 * For tests: Cosmos DB's rules for what a request may say, as strict as the service: signatures, ids,
 * sizes, the operations of a batch, the one query that the engine asks. What it does not use is
 * refused, so that nothing goes by unseen.
 */
import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export type Item = Readonly<Record<string, unknown>> & { readonly id: string }
export interface Operation {
  readonly operationType: 'Create' | 'Upsert' | 'Patch' | 'Delete'
  readonly id?: string
  readonly resourceBody?: Item | PatchBody
}
interface PatchBody {
  readonly operations: readonly {
    readonly op: string
    readonly path: string
    readonly value: unknown
  }[]
  readonly condition?: string
}

/** The service's answer to what it refuses. */
export class Refusal extends Error {
  readonly status: number
  readonly substatus: number | undefined

  constructor(status: number, message: string, substatus?: number) {
    super(message)
    this.status = status
    this.substatus = substatus
  }
}

export function invalid(message: string): Refusal {
  return new Refusal(400, message)
}

const ID_BYTES_MAX = 1023
const KEY_BYTES_MAX = 2048
const ITEM_BYTES_MAX: number = 2 * 1024 * 1024
export const REQUEST_BYTES_MAX: number = 2 * 1024 * 1024
export const OPERATIONS_MAX = 100
const PATCHES_MAX = 10

/** Refuses members that are not among `known`. */
export function checkMembers(object: object, known: readonly string[]): void {
  for (const name of Object.keys(object))
    if (!known.includes(name)) throw invalid(`unexpected member ${name}`)
}

/** The signature of a request with the account's key. */
export function checkSignature(
  method: string,
  path: string,
  headers: IncomingHttpHeaders,
  key: string,
): void {
  const segments = path.split('/').filter(Boolean).map(decodeURIComponent)
  const isCollection = segments.length % 2 !== 0
  const type = (isCollection ? segments.at(-1) : segments.at(-2)) ?? ''
  const link = (isCollection ? segments.slice(0, -1) : segments).join('/')
  const date = String(headers['x-ms-date']).toLowerCase()
  const text = `${method.toLowerCase()}\n${type}\n${link}\n${date}\n\n`
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64')
  if (decodeURIComponent(headers.authorization ?? '') !== `type=master&ver=1.0&sig=${signature}`)
    throw new Refusal(401, 'The input authorization token can not serve the request.')
}

/** The one partition that a request is about. */
export function partitionOf(headers: IncomingHttpHeaders): string {
  const values = JSON.parse(String(headers['x-ms-documentdb-partitionkey'] ?? '[]')) as unknown[]
  const [value] = values
  if (values.length !== 1 || typeof value !== 'string') throw invalid('PartitionKey')
  if (Buffer.byteLength(value) > KEY_BYTES_MAX) throw invalid('Partition key is too long')
  return value
}

export function checkOperations(operations: readonly Operation[], partition: string): void {
  if (operations.length === 0 || operations.length > OPERATIONS_MAX)
    throw invalid('Batch request has more operations than what is supported')
  for (const operation of operations) {
    const { operationType, resourceBody, id } = operation
    checkMembers(operation, ['operationType', 'resourceBody', 'id'])
    if (operationType === 'Create' || operationType === 'Upsert') {
      if (id !== undefined || resourceBody === undefined) throw invalid(operationType)
      checkItem(resourceBody as Item, partition)
    } else if (operationType === 'Patch') checkPatch(id, resourceBody as PatchBody)
    else if (operationType !== 'Delete' || resourceBody !== undefined)
      throw invalid(`operation ${operationType}`)
    else checkId(id)
  }
}

function checkPatch(id: string | undefined, body: PatchBody): void {
  checkId(id)
  checkMembers(body, ['operations', 'condition'])
  if (body.operations.length === 0 || body.operations.length > PATCHES_MAX)
    throw invalid(`a patch of ${body.operations.length} operations`)
  for (const patch of body.operations) {
    checkMembers(patch, ['op', 'path', 'value'])
    if (patch.op !== 'set' || !/^\/[a-z]+$/.test(patch.path) || patch.path === '/id')
      throw invalid(`patch ${patch.op} ${patch.path}`)
    if (patch.value === undefined) throw invalid('a patch without a value')
  }
}

export function checkItem(item: Item, partition: string): void {
  checkId(item.id)
  if (item['p'] !== partition) throw invalid('PartitionKey extracted from document does not match')
  const ttl = item['ttl']
  if (ttl !== undefined && (!Number.isInteger(ttl) || ttl === 0)) throw invalid('ttl')
  if (Buffer.byteLength(JSON.stringify(item)) > ITEM_BYTES_MAX)
    throw new Refusal(413, 'Request size is too large')
}

function checkId(id: string | undefined): void {
  if (typeof id !== 'string' || id === '' || Buffer.byteLength(id) > ID_BYTES_MAX)
    throw invalid('id is missing or too long')
  if (/[/\\?#]| $/.test(id)) throw invalid(`id "${id}" has an illegal character`)
}

/** The item as the patch makes it, or the status that it fails with. */
export function patched(item: Item | undefined, body: PatchBody, partition: string): Item | number {
  if (item === undefined) return 404
  if (body.condition !== undefined) {
    const wanted = /^FROM c WHERE c\.r = "([^"\\]*)"$/.exec(body.condition)
    if (wanted === null) throw invalid(`condition ${body.condition}`)
    if (item['r'] !== wanted[1]) return 412
  }
  const made: Record<string, unknown> & { id: string } = { ...item }
  for (const { path, value } of body.operations) made[path.slice(1)] = value
  checkItem(made, partition)
  return made
}

interface QuerySpec {
  readonly query: string
  readonly parameters: readonly { readonly name: string; readonly value: unknown }[]
}

const QUERY = 'SELECT c.k, c.r, c.v, c.x FROM c WHERE c.k >= @from AND c.k < @to ORDER BY c.k'

export function rangeOf(spec: QuerySpec): { readonly from: string; readonly to: string } {
  checkMembers(spec, ['query', 'parameters'])
  if (spec.query !== QUERY) throw invalid(`Syntax error: ${spec.query}`)
  const value = (name: string): string => {
    const found = spec.parameters.find((parameter) => parameter.name === name)?.value
    if (typeof found !== 'string') throw invalid(`parameter ${name}`)
    return found
  }
  return { from: value('@from'), to: value('@to') }
}

/** What the query selects; what is not there is left out. */
export function project(item: Item): object {
  const { k, r, v, x } = item
  return { k, r, v, x }
}
