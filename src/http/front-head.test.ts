import { createServer, type IncomingMessage } from 'node:http'
import { duplexPair } from 'node:stream'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PlainHead, readPlainHead } from './front-head.ts'

const read = (text: string): PlainHead | undefined =>
  readPlainHead(Buffer.from(text, 'latin1'), 16 * 1024)

const PLAIN = 'GET /b/k%20?x=1 HTTP/1.1\r\nHost: h\r\nX-Amz-Date: 20260304T050607Z\r\n'

test('a plain head is read as it stands', () => {
  const text = `${PLAIN}authorization: A b\r\nEmpty:\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\nbody`
  expect(read(text)).toEqual({
    method: 'GET',
    url: '/b/k%20?x=1',
    rawHeaders:
      'Host h X-Amz-Date 20260304T050607Z authorization A_b Empty  Content-Length 12 Expect 100-Continue'
        .split(' ')
        .map((text) => text.replace('_', ' ')),
    host: 'h',
    authorization: 'A b',
    bodyBytes: 12,
    expectsContinue: true,
    end: text.length - 4,
  })
})

describe('what is unusual is left to Node', () => {
  test.each([
    ['a head in pieces', PLAIN],
    ['another framing', `${PLAIN}Transfer-Encoding: chunked\r\n\r\n`],
    [
      'another framing beside a length',
      `${PLAIN}transfer-encoding: x\r\ncontent-length: 1\r\n\r\n`,
    ],
    ['two lengths', `${PLAIN}content-length: 1\r\ncontent-length: 1\r\n\r\n`],
    ['a length with a sign', `${PLAIN}content-length: +1\r\n\r\n`],
    ['a length beyond all numbers', `${PLAIN}content-length: 99999999999999999999\r\n\r\n`],
    ['two hosts', `${PLAIN}host: h\r\n\r\n`],
    ['no host', 'GET / HTTP/1.1\r\nx: y\r\n\r\n'],
    ['an end of the connection', `${PLAIN}Connection: close\r\n\r\n`],
    ['another protocol', `${PLAIN}Connection: keep-alive\r\nUpgrade: h2c\r\n\r\n`],
    ['trailers', `${PLAIN}Trailer: x\r\n\r\n`],
    ['another expectation', `${PLAIN}Expect: much\r\n\r\n`],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: h\r\n\r\n'],
    ['another method', 'PATCH / HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a whole URL', 'GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a fragment', 'GET /#x HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['bytes that are not ASCII in the target', 'GET /\xe9 HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['two blanks', 'GET  / HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a line that goes on in the next', `${PLAIN}x: y\r\n z\r\n\r\n`],
    ['a blank before the colon', `${PLAIN}content-length : 1\r\n\r\n`],
    ['more blanks around a value', `${PLAIN}x:  y \r\n\r\n`],
    ['a control character', `${PLAIN}x: \x01\r\n\r\n`],
    ['a bare line feed', `${PLAIN}x: y\nz: 1\r\n\r\n`],
    ['a bare carriage return', `${PLAIN}x: y\rz: 1\r\n\r\n`],
    ['an empty line first', `\r\n${PLAIN}\r\n`],
    ['a name with a blank', `${PLAIN}x y: z\r\n\r\n`],
    ['no name', `${PLAIN}: z\r\n\r\n`],
    ['a great many headers', `${PLAIN}${'x: y\r\n'.repeat(200)}\r\n`],
    ['a long head', `${PLAIN}x: ${'y'.repeat(20_000)}\r\n\r\n`],
  ])('%s', (_name, text) => {
    expect(read(text)).toBe(undefined)
  })
})

/** What Node's parser makes of the bytes; undefined: it refuses them, or waits for more. */
async function byNode(bytes: Buffer): Promise<Omit<PlainHead, 'end'> | undefined> {
  const server = createServer()
  const [client, socket] = duplexPair()
  const found = new Promise<Omit<PlainHead, 'end'> | undefined>((resolve) => {
    const told =
      (expectsContinue: boolean) =>
      (request: IncomingMessage): void => {
        const { headers, rawHeaders, method = '', url = '' } = request
        const { host = '', authorization, 'content-length': length } = headers
        const bodyBytes = length === undefined ? undefined : Number(length)
        resolve({ method, url, rawHeaders, host, authorization, bodyBytes, expectsContinue })
      }
    server.on('request', told(false))
    server.on('checkContinue', told(true))
    server.on('checkExpectation', () => resolve(undefined))
    server.on('clientError', () => resolve(undefined))
    setTimeout(resolve, 20, undefined)
  })
  server.emit('connection', socket)
  client.on('error', () => {})
  client.write(bytes)
  const answer = await found
  client.destroy()
  socket.destroy()
  return answer
}

const PARTS = (
  'GET|PUT| |  |/|/b/k|?a=b|HTTP/1.1|HTTP/1.0|\r\n|\n|\r|:|: |Host: h\r\n|Host|content-length: 3\r\n|' +
  'Content-Length|3|03|-1|,|Transfer-Encoding: chunked\r\n|Connection: keep-alive\r\n|x: y\r\n|x:y\r\n|' +
  '\t|\0|\x7f|\xe9|é| \r\n|Expect: 100-continue\r\n|#|"|\\|%|{'
).split('|')
const part = fc.constantFrom(...PARTS)
const VALID = [
  'PUT',
  ' ',
  '/b/k',
  ' ',
  'HTTP/1.1',
  '\r\n',
  'Host: h\r\n',
  'content-length: 3\r\n',
  'x: y\r\n',
]

test('whatever is read here, Node reads the same', async () => {
  let read = 0
  const heads = fc
    .array(fc.tuple(fc.nat(VALID.length), fc.nat(2), part), { maxLength: 3 })
    .map((changes) => {
      const parts = [...VALID]
      for (const [at, removed, added] of changes) parts.splice(at, removed, added)
      return `${parts.join('')}\r\n`
    })
  await fc.assert(
    fc.asyncProperty(heads, async (text) => {
      const bytes = Buffer.from(text, 'latin1')
      const head = readPlainHead(bytes, 16 * 1024)
      if (head === undefined) return
      read++
      const { end, ...rest } = head
      expect(rest).toEqual(await byNode(bytes.subarray(0, end)))
    }),
    { numRuns: 1500 },
  )
  expect(read).toBeGreaterThan(100)
})
