/**
 * The head of a request, where it is as plain as clients of S3 write it. Whatever is unusual in any way
 * gives undefined, and is for Node's parser to judge: nothing is read here that it would read otherwise.
 */

export interface PlainHead {
  readonly method: string
  /** The request target as on the wire. */
  readonly url: string
  /** [name, value, name, value, ...], latin1, as Node has them. */
  readonly rawHeaders: string[]
  readonly host: string
  readonly authorization: string | undefined
  /** Undefined: no body is announced. */
  readonly bodyBytes: number | undefined
  /** The client waits for 100 Continue before it sends the body. */
  readonly expectsContinue: boolean
  /** Where in the chunk the body begins. */
  readonly end: number
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE'])
const VERSION = ' HTTP/1.1\r\n'
/** Origin form, all visible ASCII, no fragment. */
const TARGET = /^\/[!"$-~]*$/
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const LENGTH = /^\d{1,15}$/
const HEADERS_MAX = 100
const SPACE = 0x20
const TAB = 0x09

/** Names that are tokens; few programs make them all. */
const TOKENS = new Set<string>()
const TOKENS_MAX = 1000

/** Whether it can be a header's name (RFC 9110, token). */
export function isToken(name: string): boolean {
  if (TOKENS.has(name)) return true
  if (!TOKEN.test(name)) return false
  if (TOKENS.size < TOKENS_MAX && name.length <= 64) TOKENS.add(name)
  return true
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

/** `headBytesMax`: longer ones are not read. */
export function readPlainHead(chunk: Buffer, headBytesMax: number): PlainHead | undefined {
  const headEnd = chunk.indexOf('\r\n\r\n')
  if (headEnd < 0 || headEnd > headBytesMax) return undefined
  const text = chunk.toString('latin1', 0, headEnd + 2)
  if (CONTROL.test(text)) return undefined
  const methodEnd = text.indexOf(' ')
  const method = text.slice(0, methodEnd)
  if (!METHODS.has(method)) return undefined
  const urlEnd = text.indexOf(' ', methodEnd + 1)
  const url = text.slice(methodEnd + 1, urlEnd)
  if (!text.startsWith(VERSION, urlEnd) || !TARGET.test(url)) return undefined
  const rawHeaders = readLines(text, urlEnd + VERSION.length)
  return rawHeaders && understood(method, url, rawHeaders, headEnd + 4)
}

function readLines(text: string, from: number): string[] | undefined {
  const rawHeaders: string[] = []
  for (let at = from; at < text.length;) {
    const end = text.indexOf('\r\n', at)
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon > end || rawHeaders.length >= 2 * HEADERS_MAX) return undefined
    const name = text.slice(at, colon)
    if (!isToken(name)) return undefined
    const start = text.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1
    // Node takes blanks off, of which there are mostly none but the first.
    if (start < end && (isBlank(text.charCodeAt(start)) || isBlank(text.charCodeAt(end - 1))))
      return undefined
    rawHeaders.push(name, start < end ? text.slice(start, end) : '')
    at = end + 2
  }
  return rawHeaders
}

/** Looks at the headers that are about the message itself; their lengths tell them from the others. */
function understood(
  method: string,
  url: string,
  rawHeaders: string[],
  end: number,
): PlainHead | undefined {
  let host: string | undefined
  let authorization: string | undefined
  let bodyBytes: number | undefined
  let expectsContinue = false
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const value = rawHeaders[i + 1]!
    switch (name.length) {
      case 4:
        if (name.toLowerCase() !== 'host') break
        if (host !== undefined) return undefined
        host = value
        break
      case 13:
        if (name.toLowerCase() === 'authorization') authorization ??= value
        break
      case 14:
        if (name.toLowerCase() !== 'content-length') break
        if (bodyBytes !== undefined || !LENGTH.test(value)) return undefined
        bodyBytes = Number(value)
        break
      case 6:
        if (name.toLowerCase() !== 'expect') break
        if (expectsContinue || value.toLowerCase() !== '100-continue') return undefined
        expectsContinue = true
        break
      case 10:
        if (name.toLowerCase() === 'connection' && value.toLowerCase() !== 'keep-alive')
          return undefined
        break
      case 7:
      case 16:
      case 17:
        if (IS_OF_NODE.test(name)) return undefined
    }
  }
  if (host === undefined) return undefined
  return { method, url, rawHeaders, host, authorization, bodyBytes, expectsContinue, end }
}

const IS_OF_NODE = /^(?:upgrade|trailer|proxy-connection|transfer-encoding)$/i
