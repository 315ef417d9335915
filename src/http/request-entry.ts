/** What is known of a request once it is over: the one log line, and what the metrics count. */
export interface RequestEntry {
  readonly requestId: string
  readonly method: string
  /** The path and query as they came. */
  readonly target: string
  /** The operation; undefined where the request is none. */
  readonly operation: string | undefined
  readonly bucket: string | undefined
  readonly key: string | undefined
  /** HTTP status of the answer. */
  readonly status: number
  /** S3's code, where the answer is an error, or an error document inside a 200. */
  readonly code: string | undefined
  /** What was thrown. Never for the client: an InternalError's cause is in here alone. */
  readonly error: unknown
  /** Bytes of the body as stored: decoded. */
  readonly bytesIn: number
  /** Bytes of the answer's body. */
  readonly bytesOut: number
  /** From the head's arrival to the last byte handed to the system. */
  readonly durationMs: number
  /** The client went away, or the answer broke off, before it was whole. */
  readonly isBroken: boolean
  readonly remoteAddress: string
  readonly userAgent: string | undefined
  /** The request's headers; undefined where it was none. */
  readonly headers: { header(name: string): string | undefined } | undefined
  /** Canonical user id; undefined where anonymous or not known yet. */
  readonly requester: string | undefined
}
