/**
 * Conditional reads, as RFC 9110 13.2.2 orders them: If-Match before If-Unmodified-Since, If-None-Match
 * before If-Modified-Since. Times are compared in whole seconds.
 */

export interface ReadConditions {
  readonly IfMatch?: string | undefined
  readonly IfNoneMatch?: string | undefined
  readonly IfModifiedSince?: Date | undefined
  readonly IfUnmodifiedSince?: Date | undefined
}

/** What conditions are compared with. */
export interface Validators {
  /** ETag, without its quotes. */
  readonly e: string
  /** When it was modified, in epoch milliseconds. */
  readonly t: number
}

/** By its header. */
export type Condition = 'If-Match' | 'If-None-Match' | 'If-Modified-Since' | 'If-Unmodified-Since'

/** The condition that does not hold, of those that RFC 9110 13.2.2 looks at first; undefined: the read may go on. */
export function failedCondition(
  conditions: ReadConditions,
  version: Validators,
): Condition | undefined {
  const { IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince } = conditions
  if (IfMatch !== undefined) {
    if (!matches(IfMatch, version.e)) return 'If-Match'
  } else if (IfUnmodifiedSince !== undefined && isModifiedSince(version, IfUnmodifiedSince)) {
    return 'If-Unmodified-Since'
  }
  if (IfNoneMatch !== undefined) {
    if (matches(IfNoneMatch, version.e)) return 'If-None-Match'
  } else if (IfModifiedSince !== undefined && !isModifiedSince(version, IfModifiedSince)) {
    return 'If-Modified-Since'
  }
  return undefined
}

/** Whether a list of ETags (quoted or not, weak or not), or `*`, names this one (which is without quotes). */
export function matches(list: string, etag: string): boolean {
  if (list === '*' || list === etag) return true
  if (list.length === etag.length + 2 && list === `"${etag}"`) return true
  return list.split(',').some((item) => {
    const tag = item.trim().replace(/^W\//, '')
    return tag === '*' || tag === etag || tag === `"${etag}"`
  })
}

function isModifiedSince(version: Validators, date: Date): boolean {
  return seconds(version.t) > seconds(date.getTime())
}

/** Whole seconds: what HTTP dates carry. */
export function seconds(timeMs: number): number {
  return Math.floor(timeMs / 1000)
}
