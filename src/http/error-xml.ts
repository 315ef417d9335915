/** What went wrong, as S3 says it. */
import { S3Error } from '../api/error.ts'
import { StoreFull, StoreUnavailable } from '../lib/store-error.ts'
import type { Rendered } from './render.ts'
import { escapeXml } from './xml-escape.ts'

/** By which a support case finds its request; both go out as headers too. */
export interface RequestIds {
  readonly requestId: string
  readonly hostId: string
}

/**
 * Anything thrown as the error that the client is told. What is not ours to tell (a lost blob, a
 * fault in the program) is InternalError, with its cause for the log.
 */
export function asS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error
  if (error instanceof StoreUnavailable) return new S3Error('SlowDown', { cause: error })
  if (error instanceof StoreFull) return new S3Error('InsufficientStorage', { cause: error })
  return new S3Error('InternalError', { cause: error })
}

/** The document: no namespace, the code's own fields between message and ids. */
export function errorDocument(
  { code, message, fields }: S3Error,
  ids: RequestIds,
  resource?: string,
): string {
  let text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message>`
  for (const [name, value] of Object.entries(fields))
    text += `<${name}>${escapeXml(value)}</${name}>`
  if (resource !== undefined) text += `<Resource>${escapeXml(resource)}</Resource>`
  return `${text}<RequestId>${escapeXml(ids.requestId)}</RequestId><HostId>${escapeXml(ids.hostId)}</HostId></Error>`
}

/**
 * The response to a request that failed. Answers to HEAD and 304 have no body.
 *
 * @param resource path of the request, where it is to be named
 */
export function renderError(
  error: unknown,
  method: string,
  ids: RequestIds,
  resource?: string,
): Rendered {
  const told = asS3Error(error)
  const headers = Object.entries(told.headers).flat()
  if (told.status === 304) return { status: 304, headers, body: undefined }
  headers.push('content-type', 'application/xml')
  const body = method === 'HEAD' ? undefined : errorDocument(told, ids, resource)
  return { status: told.status, headers, body }
}
