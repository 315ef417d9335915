/** Wall clock, in milliseconds since 1970; injected, so that tests own time. */
export interface Clock {
  now(): number
}

/** Identifiers that never repeat; injected for the same reason. */
export interface Ids {
  /** 26 characters, ascending with time (ULID, Crockford base 32): blobs, uploads. */
  next(): string
  /** 26 characters, *descending* with time: the newest version sorts first. */
  nextVersion(): string
}
