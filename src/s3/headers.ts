/**
 * The headers that an object keeps: taken from an upload, given back by reads as they came.
 *
 * Values are latin1 text. A Content-Type that the client did not send is not kept: reads then say
 * S3's `binary/octet-stream`. Expires is kept as text, a date or not (`ExpiresString`).
 */
import { S3Error } from '../api/error.ts'
import { USER_METADATA_BYTES_MAX } from '../api/limits.ts'
import type { StoredHeaders, VersionRow } from './rows.ts'

/** What an upload may say of its object. `ExpiresString` is the header's text where the caller has it. */
export interface HeaderInput {
  readonly CacheControl?: string | undefined
  readonly ContentDisposition?: string | undefined
  readonly ContentEncoding?: string | undefined
  readonly ContentLanguage?: string | undefined
  readonly ContentType?: string | undefined
  readonly Expires?: Date | undefined
  readonly ExpiresString?: string | undefined
  readonly WebsiteRedirectLocation?: string | undefined
  readonly Metadata?: Readonly<Record<string, string>> | undefined
}

/** The members of an output that the kept headers go to. */
export interface HeaderOutput {
  CacheControl?: string | undefined
  ContentDisposition?: string | undefined
  ContentEncoding?: string | undefined
  ContentLanguage?: string | undefined
  ContentType?: string | undefined
  ExpiresString?: string | undefined
  WebsiteRedirectLocation?: string | undefined
  Metadata?: Record<string, string> | undefined
}

/** What a read may ask for instead of the kept headers (`response-*`). */
export interface HeaderOverrides {
  readonly ResponseCacheControl?: string | undefined
  readonly ResponseContentDisposition?: string | undefined
  readonly ResponseContentEncoding?: string | undefined
  readonly ResponseContentLanguage?: string | undefined
  readonly ResponseContentType?: string | undefined
  readonly ResponseExpires?: Date | undefined
  readonly ResponseExpiresString?: string | undefined
}

export const DEFAULT_CONTENT_TYPE = 'binary/octet-stream'

const KEPT = [
  'ContentType',
  'CacheControl',
  'ContentDisposition',
  'ContentEncoding',
  'ContentLanguage',
  'ExpiresString',
  'WebsiteRedirectLocation',
] as const

/** The headers to keep; undefined where there are none. */
export function storedHeaders(input: HeaderInput): StoredHeaders | undefined {
  let headers: Record<string, string> | undefined
  for (const member of KEPT) {
    const value = input[member]
    if (value !== undefined) (headers ??= {})[member] = value
  }
  if (input.WebsiteRedirectLocation !== undefined) checkRedirect(input.WebsiteRedirectLocation)
  if (input.Expires !== undefined && input.ExpiresString === undefined) {
    ;(headers ??= {})['ExpiresString'] = input.Expires.toUTCString()
  }
  return headers
}

const REDIRECT_LENGTH_MAX = 2048

/** Rejects with InvalidRedirectLocation. */
export function checkRedirect(location: string): void {
  if (!/^(?:https?:\/\/|\/)/.test(location)) throw new S3Error('InvalidRedirectLocation')
  if (location.length > REDIRECT_LENGTH_MAX)
    throw new S3Error('InvalidRedirectLocation', {
      message: 'The length of website redirect location cannot exceed 2,048 characters.',
    })
}

/** The user metadata to keep, names in lower case. Rejects more than 2 KB with MetadataTooLarge. */
export function storedMetadata(
  metadata: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  if (metadata === undefined) return undefined
  let size = 0
  const entries: [name: string, value: string][] = []
  for (const [name, value] of Object.entries(metadata)) {
    size += name.length + value.length
    entries.push([name.toLowerCase(), value])
  }
  if (size > USER_METADATA_BYTES_MAX) {
    throw new S3Error('MetadataTooLarge', {
      fields: { Size: String(size), MaxSizeAllowed: String(USER_METADATA_BYTES_MAX) },
    })
  }
  // Not by assignment: that would lose a name like `__proto__`.
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

/** Puts what was kept into an output, and over it what the reader asked for instead. */
export function showHeaders(
  output: HeaderOutput,
  version: VersionRow,
  overrides: HeaderOverrides,
): void {
  output.ContentType = DEFAULT_CONTENT_TYPE
  if (version.h !== undefined) {
    for (const member of KEPT) {
      const value = version.h[member]
      if (value !== undefined) output[member] = value
    }
  }
  output.Metadata = version.m ?? {}
  const o = overrides
  if (o.ResponseContentType !== undefined) output.ContentType = o.ResponseContentType
  if (o.ResponseCacheControl !== undefined) output.CacheControl = o.ResponseCacheControl
  if (o.ResponseContentDisposition !== undefined) {
    output.ContentDisposition = o.ResponseContentDisposition
  }
  if (o.ResponseContentEncoding !== undefined) output.ContentEncoding = o.ResponseContentEncoding
  if (o.ResponseContentLanguage !== undefined) output.ContentLanguage = o.ResponseContentLanguage
  const expires = o.ResponseExpiresString ?? o.ResponseExpires?.toUTCString()
  if (expires !== undefined) output.ExpiresString = expires
}
