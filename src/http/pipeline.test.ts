import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { StoreUnavailable } from '../lib/store-error.ts'
import { fakeSigner, frame } from './aws-chunked.fixture.ts'
import { fakeS3, SIGNED, startGate, type TestGate } from './gate.fixture.ts'
import { signedOnly } from './pipeline.ts'

let gate: TestGate

afterEach(async () => {
  await gate[Symbol.asyncDispose]()
})

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const md5 = (text: string): string => createHash('md5').update(text).digest('base64')

function crcOf(text: string): string {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(crc32(text))
  return buffer.toString('base64')
}

const put = (path: string, body: string, headers = ''): string =>
  `PUT ${path} HTTP/1.1\r\nhost: h\r\n${SIGNED}${headers}content-length: ${Buffer.byteLength(body)}\r\n`
const get = (path: string, method = 'GET'): string =>
  `${method} ${path} HTTP/1.1\r\nhost: h\r\n${SIGNED}`

describe('the road', () => {
  test('an object put is the object got', async () => {
    gate = await startGate(fakeS3())
    const stored = await gate.ask(put('/b/k', 'hello'), 'hello')
    expect(stored).toMatchObject({ status: 200, body: '' })
    expect(stored.headers['etag']).toBe(`"${Buffer.from(md5('hello'), 'base64').toString('hex')}"`)
    const got = await gate.ask(get('/b/k'))
    expect(got).toMatchObject({ status: 200, body: 'hello' })
    expect(got.headers).toMatchObject({ 'content-type': 'text/plain', 'content-length': '5' })
  })

  test('every answer bears ids, server and date, and is to browsers what it says that it is', async () => {
    gate = await startGate(fakeS3())
    const { headers } = await gate.ask(get('/b/none'))
    expect(headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/)
    expect(headers['x-amz-id-2']).toMatch(/^[A-Za-z0-9+/=]{16,}$/)
    expect(headers['server']).toBe('Sluice')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(Date.parse(headers['date']!)).toBeGreaterThan(0)
  })

  test('request ids never repeat', async () => {
    gate = await startGate(fakeS3())
    const wire = gate.wire()
    const ids = new Set<string>()
    for (let i = 0; i < 50; i++) {
      const answer = await wire.send(`${get('/b/none')}\r\n`).answer()
      ids.add(answer.headers['x-amz-request-id']!)
    }
    expect(ids.size).toBe(50)
  })

  test('dots in a path stay in the bucket and in the key', async () => {
    const s3 = fakeS3()
    gate = await startGate(s3)
    for (const path of ['/b/%2e%2e/c', '/b/../d', '/b//e', '/b/./f', '/b/%2Fg']) {
      expect((await gate.ask(put(path, 'x'), 'x')).status).toBe(200)
    }
    expect([...s3.objects.keys()]).toEqual(['b/../c', 'b/../d', 'b//e', 'b/./f', 'b//g'])
  })

  test('anonymous requests are refused, whatever they are', async () => {
    const s3 = fakeS3()
    gate = await startGate(s3)
    for (const head of ['PUT /b/k', 'GET /b/k', 'PUT /b/k?acl', 'PUT /b?policy', 'PATCH /b/k']) {
      const answer = await gate.ask(`${head} HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n`, 'x')
      expect(answer.status).toBe(403)
      expect(answer.body).toContain('<Code>AccessDenied</Code>')
    }
    expect(s3.objects.size).toBe(0)
  })

  test('a false signature is told before anything of the operation', async () => {
    gate = await startGate(fakeS3())
    const answer = await gate.ask(
      'PATCH /b/k HTTP/1.1\r\nhost: h\r\nauthorization: Fake mallory\r\n',
    )
    expect(answer).toMatchObject({ status: 403 })
    expect(answer.body).toContain('SignatureDoesNotMatch')
  })

  test('an operation without a handler is 501 and touches nothing', async () => {
    const s3 = fakeS3()
    gate = await startGate(s3)
    for (const head of [put('/b/k?tagging', '<x/>'), put('/b/k?retention', '<x/>')]) {
      const answer = await gate.ask(head, '<x/>')
      expect(answer.status).toBe(501)
      expect(answer.body).toContain('<Code>NotImplemented</Code>')
    }
    expect(s3.objects.size).toBe(0)
  })

  test('authorization is asked with operation, requester and address', async () => {
    const asked: unknown[] = []
    gate = await startGate(fakeS3(), {
      authorize: {
        ...signedOnly,
        check: (operation, { identity, request: { bucket, key } }) => {
          asked.push([operation, identity?.requester.id, bucket, key])
          return undefined
        },
      },
    })
    await gate.ask(put('/b/k', 'x'), 'x')
    await gate.ask('GET /b/k HTTP/1.1\r\nhost: h\r\n')
    expect(asked).toEqual([
      ['PutObject', 'alice', 'b', 'k'],
      ['GetObject', undefined, 'b', 'k'],
    ])
  })
})

const trailing = (body: Buffer, more = ''): [string, Buffer] => [
  `PUT /b/k HTTP/1.1\r\nhost: h\r\n${SIGNED}${more}content-length: ${body.length}\r\n`,
  body,
]

describe('bodies', () => {
  test.each([1000, 0])('each form of framing is taken off, inlineMax %d', async (inlineMax) => {
    const s3 = fakeS3(inlineMax)
    gate = await startGate(s3)
    const hello = Buffer.from('hello')
    const crc = `x-amz-checksum-crc32:${crcOf('hello')}`
    const forms: [string, Buffer][] = [
      trailing(hello, 'x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n'),
      trailing(hello, `x-amz-content-sha256: ${sha256('hello')}\r\n`),
      trailing(
        frame({ chunks: [hello], trailers: [crc] }),
        'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-trailer: x-amz-checksum-crc32\r\nx-amz-decoded-content-length: 5\r\n',
      ),
      trailing(
        frame({ chunks: [hello], signer: fakeSigner() }),
        'x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\nx-amz-decoded-content-length: 5\r\n',
      ),
      trailing(
        frame({ chunks: [hello], signer: fakeSigner(), trailers: [crc] }),
        'x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\r\nx-amz-trailer: x-amz-checksum-crc32\r\nx-amz-decoded-content-length: 5\r\n',
      ),
    ]
    for (const [head, body] of forms) {
      s3.objects.clear()
      expect(await gate.ask(head, body)).toMatchObject({ status: 200, body: '' })
      expect(s3.objects.get('b/k')?.toString()).toBe('hello')
    }
  })

  test('chunked transfer without any length, framed and plain', async () => {
    const s3 = fakeS3()
    gate = await startGate(s3)
    const framed = frame({
      chunks: [Buffer.from('hello')],
      trailers: [`x-amz-checksum-crc32:${crcOf('hello')}`],
    })
    const chunk = `${framed.length.toString(16)}\r\n${framed.toString()}\r\n0\r\n\r\n`
    const head = `PUT /b/k HTTP/1.1\r\nhost: h\r\n${SIGNED}transfer-encoding: chunked\r\n`
    const aws =
      'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-trailer: x-amz-checksum-crc32\r\n'
    expect((await gate.ask(head + aws, chunk)).status).toBe(200)
    expect(s3.objects.get('b/k')?.toString()).toBe('hello')
    expect((await gate.ask(head, '2\r\nhi\r\n0\r\n\r\n')).status).toBe(200)
    expect(s3.objects.get('b/k')?.toString()).toBe('hi')
  })

  test('anonymous bodies are framed just as well, where they may come at all', async () => {
    const s3 = fakeS3()
    gate = await startGate(s3, { authorize: { ...signedOnly, check: () => undefined } })
    const body = frame({ chunks: [Buffer.from('hello')] })
    const head = (hash: string): string =>
      `PUT /b/k HTTP/1.1\r\nhost: h\r\nx-amz-content-sha256: ${hash}\r\ncontent-length: ${body.length}\r\n`
    expect((await gate.ask(head('STREAMING-UNSIGNED-PAYLOAD-TRAILER'), body)).status).toBe(200)
    expect(s3.objects.get('b/k')?.toString()).toBe('hello')
    expect((await gate.ask(head('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'), body)).status).toBe(403)
    expect((await gate.ask(head(sha256('other')), body)).status).toBe(400)
  })

  test('an object without Content-Length or chunked transfer is 411', async () => {
    gate = await startGate(fakeS3())
    const answer = await gate.ask(`PUT /b/k HTTP/1.1\r\nhost: h\r\n${SIGNED}`)
    expect(answer.status).toBe(411)
    expect(answer.body).toContain('<Code>MissingContentLength</Code>')
  })

  test('a bucket needs none', async () => {
    gate = await startGate(fakeS3())
    expect((await gate.ask(`PUT /b HTTP/1.1\r\nhost: h\r\n${SIGNED}`)).status).toBe(200)
  })

  test.each([
    ['x-amz-content-sha256', sha256('other'), 'XAmzContentSHA256Mismatch'],
    ['content-md5', md5('other'), 'BadDigest'],
    ['content-md5', 'x', 'InvalidDigest'],
    ['x-amz-checksum-crc32', crcOf('other'), 'BadDigest'],
    ['x-amz-checksum-crc32', 'x', 'InvalidRequest'],
  ])('a wrong %s stores nothing, and the connection lives on (%s)', async (name, value, code) => {
    const s3 = fakeS3()
    gate = await startGate(s3)
    const wire = gate.wire()
    const refused = await wire
      .send(`${put('/b/k', 'hello', `${name}: ${value}\r\n`)}\r\nhello`)
      .answer()
    expect(refused.status).toBe(400)
    expect(refused.body).toContain(`<Code>${code}</Code>`)
    expect(s3.objects.size).toBe(0)
    expect((await wire.send(`${put('/b/k', 'hello')}\r\nhello`).answer()).status).toBe(200)
  })

  test('the limit of a PUT holds before a byte is read', async () => {
    gate = await startGate(fakeS3(), { putBytesMax: 10 })
    const answer = await gate.ask(put('/b/k', 'x'.repeat(11)), '')
    expect(answer.status).toBe(400)
    expect(answer.body).toContain('<Code>EntityTooLarge</Code>')
  })

  test('aws-chunked is stripped from the encoding that is stored', async () => {
    const seen: unknown[] = []
    gate = await startGate({
      async PutObject(input) {
        await input.Body!.take(1000, [])
        seen.push(Object.hasOwn(input, 'ContentEncoding') ? input.ContentEncoding : 'absent')
        return {}
      },
    })
    for (const encoding of ['aws-chunked', 'aws-chunked,gzip', 'gzip, aws-chunked', 'gzip']) {
      await gate.ask(put('/b/k', 'x', `content-encoding: ${encoding}\r\n`), 'x')
    }
    expect(seen).toEqual(['absent', 'gzip', 'gzip', 'gzip'])
  })
})

describe('documents', () => {
  const xml = '<Delete><Object><Key>a</Key></Object></Delete>'
  const post = (headers: string): string =>
    `POST /b?delete HTTP/1.1\r\nhost: h\r\n${SIGNED}${headers}content-length: ${xml.length}\r\n`

  test('DeleteObjects takes Content-MD5 or a checksum, and one of them it must have', async () => {
    gate = await startGate(fakeS3())
    const missing = await gate.ask(post(''), xml)
    expect(missing.status).toBe(400)
    expect(missing.body).toContain(
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    )
    expect((await gate.ask(post(`content-md5: ${md5(xml)}\r\n`), xml)).body).toContain(
      '<Key>a</Key>',
    )
    expect((await gate.ask(post(`x-amz-checksum-crc32: ${crcOf(xml)}\r\n`), xml)).status).toBe(200)
    expect((await gate.ask(post(`content-md5: ${md5('other')}\r\n`), xml)).body).toContain(
      'BadDigest',
    )
  })

  test('one over the limit is refused unread', async () => {
    gate = await startGate(fakeS3())
    const answer = await gate.ask(
      `POST /b?delete HTTP/1.1\r\nhost: h\r\n${SIGNED}content-md5: ${md5('')}\r\ncontent-length: 9000000\r\n`,
    )
    expect(answer.body).toContain('MaxMessageLengthExceeded')
  })

  test("CompleteMultipartUpload's checksums are the object's, not the document's", async () => {
    gate = await startGate({
      async CompleteMultipartUpload(input) {
        return { ETag: input.ChecksumCRC32! }
      },
    })
    const body =
      '<CompleteMultipartUpload><Part><ETag>e</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>'
    const answer = await gate.ask(
      `POST /b/k?uploadId=u HTTP/1.1\r\nhost: h\r\n${SIGNED}x-amz-checksum-crc32: AAAAAA==\r\ncontent-length: ${body.length}\r\n`,
      body,
    )
    expect(answer.body).toContain('AAAAAA==')
  })
})

describe('errors', () => {
  test('a fault of ours is InternalError; what it was goes to the log alone', async () => {
    const fault = new Error('secret at row 17')
    gate = await startGate({
      GetObject: async () => {
        throw fault
      },
    })
    const answer = await gate.ask(get('/b/k'))
    expect(answer.status).toBe(500)
    expect(answer.body).toContain('<Code>InternalError</Code>')
    expect(answer.body).not.toContain('secret')
    expect(gate.entries).toMatchObject([{ status: 500, code: 'InternalError', error: fault }])
  })

  test('a store that cannot answer is 503 SlowDown', async () => {
    gate = await startGate({
      GetObject: async () => {
        throw new StoreUnavailable('disk asleep')
      },
    })
    expect(await gate.ask(get('/b/k'))).toMatchObject({ status: 503 })
  })

  test('the document names the request by the id of its header', async () => {
    gate = await startGate(fakeS3())
    const { headers, body } = await gate.ask(get('/b/none'))
    expect(body).toContain(`<RequestId>${headers['x-amz-request-id']}</RequestId>`)
    expect(body).toContain('<Key>none</Key>')
    expect(headers['content-type']).toBe('application/xml')
  })

  test('those about a bucket tell its region, unless there is no such bucket', async () => {
    gate = await startGate(fakeS3())
    expect((await gate.ask(get('/b/none'))).headers['x-amz-bucket-region']).toBe('eu-test-1')
    expect((await gate.ask(get('/gone/none'))).headers['x-amz-bucket-region']).toBeUndefined()
  })

  test('HEAD is answered without a body, and the connection lives on', async () => {
    const s3 = fakeS3()
    s3.objects.set('b/k', Buffer.from('hello'))
    gate = await startGate(s3)
    const wire = gate.wire()
    const missing = await wire.send(`${get('/b/none', 'HEAD')}\r\n`).answer('HEAD')
    expect(missing.status).toBe(404)
    const found = await wire.send(`${get('/b/k', 'HEAD')}\r\n`).answer('HEAD')
    expect(found).toMatchObject({ status: 200 })
    expect(found.headers['content-length']).toBe('5')
    const got = await wire.send(`${get('/b/k')}\r\n`).answer()
    expect(got.body).toBe('hello')
  })

  test('a header that cannot be sent is InternalError, not a broken connection', async () => {
    gate = await startGate({
      GetObject: async () => ({ ETag: 'a\r\nb: c', Body: Buffer.from('x'), ContentLength: 1 }),
    })
    expect(await gate.ask(get('/b/k'))).toMatchObject({ status: 500 })
    expect(gate.entries).toMatchObject([{ status: 500, code: 'InternalError', isBroken: false }])
  })

  test('the same before a streamed body, which is given back', async () => {
    const body = {
      isReturned: false,
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(new Error('read nonetheless')),
        return: async () => {
          body.isReturned = true
          return { done: true as const, value: undefined }
        },
      }),
    }
    gate = await startGate({
      GetObject: async () => ({ ETag: 'a\r\nb: c', Body: body, ContentLength: 1 }),
    })
    expect(await gate.ask(get('/b/k'))).toMatchObject({ status: 500 })
    expect(body.isReturned).toBe(true)
  })
})

const slow = (answer: () => object) => ({
  async CopyObject() {
    await new Promise((resolve) => setTimeout(resolve, 120))
    return answer()
  },
})

describe('operations that take long', () => {
  const copy = `PUT /b/k HTTP/1.1\r\nhost: h\r\n${SIGNED}x-amz-copy-source: b/a\r\n`

  test('begin with 200 and white space, and end with their document', async () => {
    gate = await startGate(
      slow(() => ({ CopyObjectResult: { ETag: '"e"' } })),
      { holdAfterMs: 30 },
    )
    const answer = await gate.ask(copy)
    expect(answer.status).toBe(200)
    expect(answer.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/)
    expect(answer.body).toMatch(/^<\?xml [^>]*>\n +<CopyObjectResult.*<\/CopyObjectResult>$/s)
    expect(gate.entries).toMatchObject([{ status: 200, code: undefined }])
  })

  test('tell a late error inside the 200', async () => {
    const fail = slow(() => {
      throw new StoreUnavailable('disk asleep')
    })
    gate = await startGate(fail, { holdAfterMs: 30 })
    const answer = await gate.ask(copy)
    expect(answer.status).toBe(200)
    expect(answer.body).toMatch(/^<\?xml [^>]*>\n +<Error><Code>SlowDown<\/Code>/)
    expect(gate.entries).toMatchObject([{ status: 200, code: 'SlowDown' }])
  })

  test('are ordinary answers where they are quick', async () => {
    gate = await startGate(slow(() => ({ CopyObjectResult: { ETag: '"e"' } })))
    const answer = await gate.ask(copy)
    expect(answer.headers['content-length']).toBe(String(answer.body.length))
  })
})

test('each request leaves one entry, with what there was to know', async () => {
  gate = await startGate(fakeS3())
  await gate.ask(put('/b/k%20l', 'hello', 'user-agent: test/1\r\n'), 'hello')
  await gate.ask(get('/b/k%20l'))
  const entries = await gate.settled(2)
  expect(entries[0]).toMatchObject({
    method: 'PUT',
    operation: 'PutObject',
    bucket: 'b',
    key: 'k l',
    status: 200,
    code: undefined,
    bytesIn: 5,
    bytesOut: 0,
    isBroken: false,
    remoteAddress: '127.0.0.1',
    userAgent: 'test/1',
    requester: 'alice',
  })
  expect(entries[0]!.durationMs).toBeGreaterThan(0)
  expect(entries[1]).toMatchObject({ operation: 'GetObject', bytesIn: 0, bytesOut: 5 })
})

describe('keys that clients bring', () => {
  const KEY = 'x-amz-server-side-encryption-customer-key: a\r\n'
  const SOURCE = 'x-amz-copy-source-server-side-encryption-customer-key: a\r\n'

  test('are refused without TLS, before anything is done with them', async () => {
    const s3 = fakeS3()
    gate = await startGate({ ...s3, CopyObject: async () => ({}) })
    for (const headers of [KEY, `x-amz-copy-source: b/l\r\n${SOURCE}`]) {
      const answer = await gate.ask(put('/b/k', 'x', headers), 'x')
      expect(answer.status).toBe(400)
      expect(answer.body).toContain('must be made over a secure connection')
    }
    expect((await gate.ask(`${get('/b/k')}${KEY}`)).status).toBe(400)
    expect(s3.objects.size).toBe(0)
  })

  test.each([{ keysInClear: true }, { behindTls: true }])('are taken with %j', async (options) => {
    gate = await startGate(fakeS3(), options)
    expect((await gate.ask(put('/b/k', 'x', KEY), 'x')).status).toBe(200)
  })
})

test.each([
  ['InvalidRequest', {}],
  ['BadDigest', { malformedChecksum: 'BadDigest' as const }],
])('a checksum that can be none is %s with %j', async (code, options) => {
  const s3 = fakeS3()
  gate = await startGate(s3, options)
  const answer = await gate.ask(put('/b/k', 'x', 'x-amz-checksum-sha256: bad\r\n'), 'x')
  expect(answer.status).toBe(400)
  expect(answer.body).toContain(`<Code>${code}</Code>`)
  expect(s3.objects.size).toBe(0)
})
