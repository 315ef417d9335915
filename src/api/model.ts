/**
 * The wire of S3 as data: which request is which operation, and where each member of an input or
 * output stands in the message. The data itself is `model.gen.ts`, made by `openapi/build.ts`.
 */

/**
 * How a member's text is read and written. `http-date` as in RFC 9110, `date-time` as in RFC 3339,
 * `blob` and `stream` are bytes, `events` a stream of events, `map` names and values of headers.
 */
export type Scalar =
  | 'string'
  | 'number'
  | 'boolean'
  | 'http-date'
  | 'date-time'
  | 'blob'
  | 'stream'
  | 'events'
  | 'map'

/**
 * Where a member stands. `element` and `attribute` are inside an XML document, `text` is the whole
 * content of its root, `payload` is the body itself, `prefix` all headers whose names begin so.
 */
export type Place =
  | 'path'
  | 'query'
  | 'header'
  | 'prefix'
  | 'payload'
  | 'element'
  | 'attribute'
  | 'text'

export interface Member {
  /** A `Scalar`, or the name of a shape. */
  readonly type: string
  readonly place: Place
  /** On the wire: parameter, header (lower case), element (root element of a payload). */
  readonly wire: string
  /** A list: the element of each item inside the member's own; '' where the items stand bare (flattened). */
  readonly item?: string
  readonly required?: true
}

export interface Shape {
  /** Root element of the shape where it is a document by itself. */
  readonly root?: string
  readonly members: Readonly<Record<string, Member>>
}

/** The values that S3 insists on, and how it refuses others. */
export interface Choice {
  readonly values: readonly string[]
  /** Absent: MalformedXML, or what the operation says instead. */
  readonly code?: 'InvalidArgument' | 'InvalidStorageClass' | 'InvalidRequest'
  /** `{value}` stands for what was sent; absent: the code's own. */
  readonly message?: string
  /** Letters in any case are taken for the value. */
  readonly anyCase?: true
}

/** The whole numbers that S3 takes, and what it says to others. */
export interface Bounds {
  readonly min: number
  readonly max: number
  readonly message: string
}

export type Level = 'root' | 'bucket' | 'key'

export interface OperationModel {
  readonly method: string
  /** Level of the URI below the host. */
  readonly level: Level
  /** The one segment of the path, where it is a word and no bucket. */
  readonly word?: string
  /** Query of the model, `list-type=2` or `uploads`: must be there, with that value where it has one. */
  readonly query: string
  /** Status of success. */
  readonly status: number
  /** Names of shapes. */
  readonly input?: string
  readonly output?: string
  /** The body must come with Content-MD5 or a checksum. */
  readonly checksum?: true
  /** What S3 says of a document that it cannot take, where it is not MalformedXML. */
  readonly malformed?: 'MalformedACLError'
}

export interface Model {
  readonly operations: Readonly<Record<string, OperationModel>>
  /**
   * One line of text for each shape, read by `shapeOf`: a thousand shapes cost no start time so.
   * `Root|Member=type place wire item flags|...`
   */
  readonly shapes: Readonly<Record<string, string>>
  /** Name of a header or parameter, or `Shape.Member` of a document, to the values that it may have. */
  readonly choices: Readonly<Record<string, Choice>>
  /** Name of a header or parameter to the numbers that it may be. */
  readonly bounds: Readonly<Record<string, Bounds>>
  /** Root elements that are taken for the one of the model. */
  readonly rootAliases: Readonly<Record<string, string>>
  /** Query parameters that address a sub-resource of somebody's S3, though the model has none of that name. */
  readonly subresources: readonly string[]
}

/** One shape in the notation of `Model.shapes`. */
export function writeShape({ root = '', members }: Shape): string {
  const texts = Object.entries(members).map(([name, member]) => {
    const { type, place, wire, item, required } = member
    const list = item === undefined ? '' : `[${item}]`
    return `${name}${required ? '!' : ''} ${type}${list} ${place}${wire === name ? '' : ` ${wire}`}`
  })
  return [root, ...texts].join('|')
}

/** The reverse of `writeShape`. */
export function readShape(text: string): Shape {
  const [root = '', ...texts] = text.split('|')
  const members: Record<string, Member> = {}
  for (const each of texts) {
    const [label = '', typed = '', place = '', wire] = each.split(' ')
    const required = label.endsWith('!')
    const name = required ? label.slice(0, -1) : label
    const bracket = typed.indexOf('[')
    members[name] = {
      type: bracket === -1 ? typed : typed.slice(0, bracket),
      place: place as Place,
      wire: wire ?? name,
      ...(bracket !== -1 && { item: typed.slice(bracket + 1, -1) }),
      ...(required && { required }),
    }
  }
  return root === '' ? { members } : { root, members }
}
