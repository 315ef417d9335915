/** For tests: bodies in aws-chunked framing, as the clients named in `aws-chunked.test.ts` send them. */
import { createHash } from 'node:crypto'
import type { ChunkSigner } from '../auth/authenticator.ts'

/** A signer whose signatures are hashes over what went before: a chain, as SigV4's is. */
export function fakeSigner(): ChunkSigner {
  let previous = 'seed'
  const next = (text: string): string => {
    previous = createHash('sha256').update(`${previous}|${text}`).digest('hex')
    return previous
  }
  return { chunk: (sum) => next(`chunk ${sum}`), trailer: (sum) => next(`trailer ${sum}`) }
}

export interface Frame {
  readonly chunks: readonly Uint8Array[]
  readonly signer?: ChunkSigner
  /** `name:value`, in order. */
  readonly trailers?: readonly string[]
  /** Between the trailers and their signature: `\r\n` where it ends a line, `\n\r\n` as documented. */
  readonly trailerEnd?: string
  /** After everything. */
  readonly close?: string
}

const sha256 = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex')

export function frame({
  chunks,
  signer,
  trailers,
  trailerEnd = '\r\n',
  close = '\r\n',
}: Frame): Buffer {
  const parts: (Uint8Array | string)[] = []
  const header = (bytes: Uint8Array): string => {
    const size = bytes.length.toString(16)
    return signer === undefined ? size : `${size};chunk-signature=${signer.chunk(sha256(bytes))}`
  }
  for (const chunk of chunks) parts.push(`${header(chunk)}\r\n`, chunk, '\r\n')
  parts.push(`${header(new Uint8Array())}\r\n`)
  for (const trailer of trailers ?? []) parts.push(trailer + trailerEnd)
  if (signer !== undefined && trailers !== undefined) {
    const canonical = trailers.map((trailer) => `${trailer}\n`).join('')
    parts.push(`x-amz-trailer-signature:${signer.trailer(sha256(canonical))}\r\n`)
  }
  parts.push(close)
  return Buffer.concat(parts.map((part) => Buffer.from(part as string)))
}
