/**
 * Which S3 operation a request is, decided from the model alone: method, level of the address,
 * sub-resource, then what tells the rest apart (`uploadId`, `x-amz-copy-source`).
 *
 * A request that names a sub-resource is an operation on that sub-resource or nothing: it can never
 * fall through to the object or the bucket itself.
 */
import { S3Error } from '../api/error.ts'
import { MODEL } from '../api/model.gen.ts'
import { readShape, type Level, type OperationModel } from '../api/model.ts'
import type { RequestHead } from './head.ts'

/** A browser's upload by form: no operation of the model, and a PutObject once it is read. */
export const POST_OBJECT = 'PostObject'

/** An operation among others of the same method, level and sub-resource. */
interface Candidate {
  readonly name: string
  /** One of these parameters must be there (with its value, where it has one); none: always. */
  readonly params: readonly (readonly [name: string, value: string | undefined])[]
  /** All of these headers must be there. */
  readonly headers: readonly string[]
}

/** Operations of one method, level and sub-resource; what tells them apart is read when first needed. */
class Group {
  readonly names: string[] = []
  readonly #subresource: string
  #candidates: readonly Candidate[] | undefined

  constructor(subresource: string) {
    this.#subresource = subresource
  }

  /** The most demanding first. */
  get candidates(): readonly Candidate[] {
    this.#candidates ??= this.names
      .map((name) => candidateOf(name, this.#subresource))
      .sort((a, b) => b.headers.length - a.headers.length || b.params.length - a.params.length)
    return this.#candidates
  }
}

/** By `METHOD level sub-resource`. */
const groups = new Map<string, Group>()
/** Those without a sub-resource, by level and method: the hot path. */
const plain: Record<Level, Map<string, Group>> = {
  root: new Map(),
  bucket: new Map(),
  key: new Map(),
}
/** Sub-resource to the levels at which the model has it for some method. */
const levels = new Map<string, Set<Level>>(MODEL.subresources.map((name) => [name, new Set()]))
/** Method and word in the bucket's place to the operation that it means. */
const words = new Map<string, string>()

for (const [name, operation] of Object.entries(MODEL.operations)) enter(name, operation)

function enter(name: string, { method, level, word, query }: OperationModel): void {
  if (word !== undefined) {
    words.set(`${method} ${word}`, name)
    return
  }
  const subresource = query.split('&').find((pair) => !pair.includes('=')) ?? ''
  const id = `${method} ${level} ${subresource}`
  const group = groups.get(id) ?? new Group(subresource)
  group.names.push(name)
  groups.set(id, group)
  if (subresource === '') plain[level].set(method, group)
  else levels.set(subresource, (levels.get(subresource) ?? new Set()).add(level))
}

function candidateOf(name: string, subresource: string): Candidate {
  const { query = '', input = '' } = MODEL.operations[name] ?? {}
  const { members } = readShape(MODEL.shapes[input] ?? '')
  const required = Object.values(members).filter((member) => member.required)
  const params: [string, string | undefined][] = []
  if (subresource === '' && query !== '') {
    const [key = '', value] = query.split('=')
    params.push([key, value])
  }
  for (const { place, wire } of required) if (place === 'query') params.push([wire, undefined])
  // With a sub-resource a missing header is an error of that operation, not another operation.
  const headers =
    subresource === ''
      ? required.filter(({ place }) => place === 'header').map(({ wire }) => wire)
      : []
  return { name, params, headers }
}

/**
 * Name of the operation, one of all that S3 has; whether anybody handles it is not asked here.
 * @throws S3Error MethodNotAllowed, NotImplemented (a sub-resource that is unknown at this level),
 *   InvalidArgument (two sub-resources at once), PreconditionFailed (a POST to a bucket that is no form)
 */
export function route(head: RequestHead): string {
  const level = head.key !== undefined ? 'key' : head.bucket !== undefined ? 'bucket' : 'root'
  const subresource = head.query === '' ? undefined : subresourceOf(head)
  if (subresource !== undefined) {
    const group = groups.get(`${head.method} ${level} ${subresource}`)
    // Where one operation alone bears the sub-resource, what is missing is its own error to tell.
    const name = group?.names.length === 1 ? group.names[0] : group && choose(group, head)
    return name ?? refuse(head, level, subresource)
  }
  const group = plain[level].get(head.method)
  const name = group && choose(group, head)
  if (name === undefined) {
    if (level === 'bucket' && isForm(head)) return POST_OBJECT
    return wordOf(head) ?? refuse(head, level, undefined)
  }
  if (level === 'bucket') refuseKeyless(head)
  return name
}

function choose({ candidates }: Group, head: RequestHead): string | undefined {
  for (const { name, params, headers } of candidates) {
    if (params.length > 0 && !params.some(([key, value]) => holds(head.param(key), value))) continue
    if (headers.every((header) => head.field(header) !== undefined)) return name
  }
  return undefined
}

function holds(got: string | undefined, wanted: string | undefined): boolean {
  return got !== undefined && (wanted === undefined || got === wanted)
}

function subresourceOf({ params }: RequestHead): string | undefined {
  let found: string | undefined
  for (const name of params.keys()) {
    if (!levels.has(name)) continue
    if (found !== undefined)
      throw new S3Error('InvalidArgument', {
        message: `Conflicting query string parameters: ${found}, ${name}`,
        fields: { ArgumentName: 'ResourceType', ArgumentValue: name },
      })
    found = name
  }
  return found
}

/** What only objects have, asked of a bucket: a client lost its key, and must not delete the bucket instead. */
function refuseKeyless(head: RequestHead): void {
  if (head.query === '' || head.method === 'GET' || head.method === 'HEAD') return
  for (const name of ['uploadId', 'partNumber', 'versionId']) {
    if (head.param(name) !== undefined)
      throw new S3Error('InvalidRequest', { message: `A key must be specified with ${name}.` })
  }
}

function wordOf({ method, bucket, key }: RequestHead): string | undefined {
  return key === undefined && bucket !== undefined ? words.get(`${method} ${bucket}`) : undefined
}

function refuse(head: RequestHead, level: Level, subresource: string | undefined): never {
  const { method } = head
  if (subresource !== undefined && !levels.get(subresource)?.has(level))
    throw new S3Error('NotImplemented', {
      message: `The sub-resource ${subresource} is not implemented here.`,
    })
  if (method === 'POST' && level === 'bucket' && subresource === undefined)
    throw new S3Error('PreconditionFailed', {
      fields: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
    })
  throw new S3Error('MethodNotAllowed', {
    fields: {
      Method: method,
      ResourceType: level === 'key' ? 'OBJECT' : level === 'bucket' ? 'BUCKET' : 'SERVICE',
    },
    headers: { allow: allowed(level, subresource ?? '').join(', ') },
  })
}

/** A browser's upload is a form; any other POST to a bucket is a mistake that S3 has words for. */
function isForm(head: RequestHead): boolean {
  const type = head.method === 'POST' ? head.header('content-type') : undefined
  return type?.toLowerCase().startsWith('multipart/form-data') === true
}

function allowed(level: Level, subresource: string): string[] {
  return ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'].filter((method) => {
    const group = groups.get(`${method} ${level} ${subresource}`)
    return group?.candidates.some(({ params }) => subresource !== '' || params.length === 0)
  })
}
