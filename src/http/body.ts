/**
 * The seam between a transport and the body of a request: the transport pushes bytes as they come,
 * one receiver takes them. Pushing, because an async iterator costs a promise a chunk.
 */

/** Takes the bytes of one body. After `end` or `fail` nothing more is called. */
export interface Receiver {
  /** Never empty; the chunk is the receiver's to keep and to change. */
  data(chunk: Uint8Array): void
  end(): void
  /** The body broke off: an `S3Error` (RequestTimeout, IncompleteBody). */
  fail(error: Error): void
}

/** The body as the transport has it, its own framing (chunked transfer) taken off. */
export interface Source {
  /** False: the request announces no body at all, neither by length nor by framing. */
  readonly isAnnounced: boolean
  /** Bytes announced by Content-Length; undefined where the framing tells the end. */
  readonly length: number | undefined
  /** Begins to push; once. A client that waits to be asked for its body (Expect) is asked now. */
  start(receiver: Receiver): void
  /** Asks for less for a while; a few chunks may still come. The client's time stands still. */
  pause(): void
  resume(): void
  /** The rest is not wanted: the receiver hears no more. */
  stop(): void
}
