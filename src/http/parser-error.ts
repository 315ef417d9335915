/** Answers what Node's HTTP parser refused: there is no request, only a socket to write S3's XML on. */
import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { S3Error, type S3ErrorCode } from '../api/error.ts'
import { renderError } from './error-xml.ts'

/** Codes of Node's errors; whatever else the parser dislikes is a BadRequest. */
const CODES: Readonly<Record<string, S3ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'RequestHeaderSectionTooLarge',
  HPE_INVALID_EOF_STATE: 'IncompleteBody',
  ERR_HTTP_REQUEST_TIMEOUT: 'RequestTimeout',
}

const MESSAGE = 'An error occurred when parsing the HTTP request.'

/** One answer, then the connection closes: where the next request would begin is unknown. */
export function answerParserError(
  error: Error,
  socket: Socket,
  requestId: string,
  hostId: string,
): void {
  if (endsAfterAnswer(socket)) return
  const reason = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (!socket.writable || reason === 'ECONNRESET' || isAnswering(socket)) {
    socket.destroy()
    return
  }
  const code = CODES[reason]
  const said =
    code === undefined ? new S3Error('BadRequest', { message: MESSAGE }) : new S3Error(code)
  const { status, headers, body } = renderError(said, 'GET', { requestId, hostId })
  const text = typeof body === 'string' ? body : ''
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`]
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
  lines.push(`x-amz-request-id: ${requestId}`, `x-amz-id-2: ${hostId}`, 'server: Sluice')
  lines.push(`content-length: ${Buffer.byteLength(text)}`, 'connection: close', '', text)
  socket.end(lines.join('\r\n'))
  socket.destroySoon()
}

/** Node's own property; its documentation of 'clientError' tells to look at it. */
type Answering = Socket & { _httpMessage?: ServerResponse | null }

/** True where a response has begun on the socket: another one must not be mixed into it. */
function isAnswering(socket: Answering): boolean {
  return socket._httpMessage?.headersSent === true
}

/** Sockets that close once their answer is out. */
const ending = new WeakSet<Socket>()

/** True where the request under way came whole, and only what follows it is refused: its answer goes out, and nothing after it. */
function endsAfterAnswer(socket: Answering): boolean {
  if (ending.has(socket)) return true
  const answer = socket._httpMessage
  if (!answer?.req.complete) return false
  ending.add(socket)
  answer.shouldKeepAlive = false
  answer.once('finish', () => socket.destroySoon())
  return true
}
