/**
 * What the pipeline asks of a transport: a request as it came, and a place for the answer. Nothing
 * here is node:http's, so that another HTTP front can be put beside it and tested against it.
 */
import type { Body } from '../lib/stream.ts'
import type { Source } from './body.ts'

/** A request as the transport got it: nothing decoded. */
export interface Arrival {
  readonly method: string
  /** The request target as on the wire: routing and signing read this and nothing else. */
  readonly url: string
  /** [name, value, name, value, ...], latin1. */
  readonly rawHeaders: readonly string[]
  readonly source: Source
  /** The client speaks TLS with us. */
  readonly isSecure: boolean
  /** The client's address, as the socket tells it. */
  readonly remoteAddress: string
}

/**
 * Takes one answer: `send`, or `stream`, or `hold` and later `finish`. Headers are flat ([name,
 * value, ...]); those of the connection itself (Date, Connection, Transfer-Encoding) and, for a whole
 * body, Content-Length are the transport's to add. A HEAD's body is dropped.
 *
 * Whatever of the request's body was not read is drained within bounds, or the connection closes:
 * either way the client sees the answer.
 */
export interface Sink {
  /** The client went away before it had its whole answer. */
  readonly isGone: boolean
  /** A head has gone out: nothing but its body can follow. */
  readonly hasBegun: boolean
  /** Head and body in one write. Throws, nothing sent, where a header cannot be sent. */
  send(status: number, headers: string[], body: Uint8Array | string | undefined): void
  /**
   * Head, then the body as it comes, at the client's pace. Resolves to the bytes sent (fewer where the
   * client went away: the body's iterator is then returned). Where the body rejects, or ends before its
   * Content-Length, the connection is broken off, never ended cleanly, and the promise rejects. It
   * also rejects, the body returned and nothing sent, where a header cannot be sent.
   */
  stream(status: number, headers: string[], body: Body): Promise<number>
  /** Begins an answer whose body is long in coming. */
  hold(status: number, headers: string[], begin: string): void
  /** White space, so that the client (and what stands between) keeps waiting. */
  space(): void
  /** The body that was long in coming, and the end. */
  finish(text: string): void
  /** Calls back once, if the client goes away before it has its whole answer. */
  onGone(listener: () => void): void
}
