/**
 * `encoding-type=url`: keys in a listing as XML can carry them, whatever characters they hold.
 *
 * Unreserved characters and `/` stay, all others become %XX of their UTF-8 bytes, a space `%20`: so
 * that both kinds of decoders (with and without `+` for space) read the key that was meant.
 */
import { S3Error } from '../api/error.ts'

/** What a listing does to each key, prefix, delimiter and marker that it shows. */
export type Encode = (text: string) => string

/** InvalidArgument for an encoding other than `url`. */
export function encoderFor(encodingType: string | undefined): Encode {
  if (encodingType === undefined) return plain
  if (encodingType === 'url') return encodeKey
  throw new S3Error('InvalidArgument', {
    message: 'Invalid Encoding Method specified in Request',
    fields: { ArgumentName: 'encoding-type', ArgumentValue: encodingType },
  })
}

const plain: Encode = (text) => text

const STAYS = /^[\w.~/-]*$/
const LEFT_OVER = /[!'()*]|%2F/g

function encodeKey(text: string): string {
  if (STAYS.test(text)) return text
  return encodeURIComponent(text).replaceAll(LEFT_OVER, (found) =>
    found === '%2F' ? '/' : `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
