/**
 * Tags of objects and buckets: what may be one, how many, and how a header writes them.
 *
 * A key has 1 to 128 characters, a value up to 256, of letters, digits, white space and `_.:/=+-@` in any
 * script (S3 User Guide, "Tagging objects").
 */
import type { Tag } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { Context, S3Options } from './context.ts'
import type { StoredTag } from './rows.ts'

export const OBJECT_TAGS_MAX = 10
export const BUCKET_TAGS_MAX = 50
const KEY_MAX = 128
const VALUE_MAX = 256
const ALLOWED = /^[\p{L}\p{N}\p{Z}\p{M}_.:/=+\-@]*$/u
/** Characters that are two UTF-16 units. */
const ASTRAL = /[\u{10000}-\u{10ffff}]/gu
const RESERVED = 'aws:'

/** Whose tags they are; S3 refuses its own prefix in other words for each. */
export type Tagged = 'object' | 'bucket' | 'new bucket'

const RESERVED_WORDS: Readonly<Record<Tagged, string>> = {
  object: 'Your TagKey cannot be prefixed with aws:',
  bucket: 'System tags cannot be added/updated by requester',
  'new bucket':
    'User-defined tag keys can\'t start with "aws:". This prefix is reserved for system tags. Remove "aws:" from your tag keys and try again.',
}

/** The tags of a document, to be kept. Rejects with MalformedXML and InvalidTag. */
export function storedTags(
  { options: { compat } }: Context,
  tags: readonly Tag[] | undefined,
  tagged: Tagged,
): readonly StoredTag[] {
  if (tags === undefined) throw new S3Error('MalformedXML')
  const pairs = tags.map(({ Key, Value }): StoredTag => {
    if (Key === undefined || Value === undefined) throw new S3Error('MalformedXML')
    return [Key, Value]
  })
  checkTags(pairs, tagged, compat)
  return pairs.toSorted(byKey)
}

/** The tags of an `x-amz-tagging` header: a query string. Undefined where it has none. Rejects with InvalidArgument and InvalidTag. */
export function tagsFromHeader(
  { options: { compat } }: Context,
  header: string | undefined,
): readonly StoredTag[] | undefined {
  if (header === undefined) return undefined
  const pairs: StoredTag[] = []
  for (const pair of header.split('&')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    const key = decode(at === -1 ? pair : pair.slice(0, at), header)
    if (pairs.some(([other]) => other === key)) throw invalidHeader(header)
    pairs.push([key, at === -1 ? '' : decode(pair.slice(at + 1), header)])
  }
  checkTags(pairs, 'object', compat)
  return pairs.length === 0 ? undefined : pairs.toSorted(byKey)
}

/** S3 keeps no order of tags, and clients compare them in this one. */
function byKey([a]: StoredTag, [b]: StoredTag): number {
  return a < b ? -1 : 1
}

export function shownTags(tags: readonly StoredTag[] | undefined): Tag[] {
  return (tags ?? []).map(([Key, Value]) => ({ Key, Value }))
}

function checkTags(tags: readonly StoredTag[], tagged: Tagged, compat: S3Options['compat']): void {
  const max = tagged === 'object' ? OBJECT_TAGS_MAX : BUCKET_TAGS_MAX
  if (tags.length > max) {
    const message = `${tagged === 'object' ? 'Object' : 'Bucket'} tags cannot be greater than ${max}`
    throw new S3Error(compat === 'legacy' ? 'InvalidTag' : 'BadRequest', { message })
  }
  const keys = new Set<string>()
  for (const [key, value] of tags) {
    const fields = { TagKey: key }
    if (keys.has(key)) {
      const message = 'Cannot provide multiple Tags with the same key'
      throw new S3Error('InvalidTag', { message, fields })
    }
    keys.add(key)
    if (key.toLowerCase().startsWith(RESERVED)) {
      throw new S3Error('InvalidTag', { message: RESERVED_WORDS[tagged], fields })
    }
    if (key === '' || !isAllowed(key, KEY_MAX)) {
      throw new S3Error('InvalidTag', {
        message: 'The TagKey you have provided is invalid',
        fields,
      })
    }
    if (!isAllowed(value, VALUE_MAX)) {
      throw new S3Error('InvalidTag', {
        message: 'The TagValue you have provided is invalid',
        fields: { ...fields, TagValue: value },
      })
    }
  }
}

function isAllowed(text: string, max: number): boolean {
  // No character takes more than two UTF-16 units.
  if (text.length > 2 * max || !ALLOWED.test(text)) return false
  const pairs = text.match(ASTRAL)?.length ?? 0
  return text.length - pairs <= max
}

function decode(text: string, header: string): string {
  try {
    // What was not percent-encoded is UTF-8 that came as latin1.
    const raw = Buffer.from(text.replaceAll('+', ' '), 'latin1').toString()
    return decodeURIComponent(raw)
  } catch {
    throw invalidHeader(header)
  }
}

function invalidHeader(header: string): S3Error {
  return new S3Error('InvalidArgument', {
    message:
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    fields: { ArgumentName: 'x-amz-tagging', ArgumentValue: header },
  })
}
