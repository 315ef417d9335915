import { afterEach, describe, expect, test } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Input } from '../api/operations.ts'
import { ALICE, fakeS3, SIGNED, startGate, type TestGate } from './gate.fixture.ts'
import { signedOnly } from './pipeline.ts'
import type { Answer } from './wire.fixture.ts'

let gate: TestGate

afterEach(async () => {
  await gate[Symbol.asyncDispose]()
})

type Fields = readonly (readonly [name: string, value: string])[]
const FORM: Fields = [
  ['key', 'u/k'],
  ['Signature', 'Fake alice'],
]

function form(
  fields: Fields,
  file: string | Buffer | undefined,
  filename = 'f.txt',
  end = '--\r\n',
): Buffer {
  const parts: Buffer[] = fields.map(([name, value]) =>
    Buffer.from(`--X\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
  )
  if (file !== undefined) {
    const head = `--X\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\nContent-Type: image/png\r\n\r\n`
    parts.push(Buffer.from(head), Buffer.from(file), Buffer.from('\r\n'))
  }
  return Buffer.concat([...parts, Buffer.from(`--X${end}`)])
}

const head = (length: number, more = '', path = '/b'): string =>
  `POST ${path} HTTP/1.1\r\nhost: h:1\r\ncontent-type: multipart/form-data; boundary=X\r\ncontent-length: ${length}\r\n${more}`

/** The inputs that PutObject got, and the bytes that came of each. */
const inputs: Input<'PutObject'>[] = []
const s3 = fakeS3(8)

async function open(): Promise<void> {
  inputs.length = 0
  s3.objects.clear()
  gate = await startGate(
    {
      ...s3,
      PutObject: async (input, call) => {
        inputs.push(input)
        return { ...(await s3.PutObject!(input, call)), VersionId: 'v1' }
      },
    },
    {
      putBytesMax: 200_000,
      // Somebody's: a bucket that anybody may write.
      authorize: {
        ...signedOnly,
        check: (operation, { identity, request }) => {
          expect(operation).toBe('PutObject')
          if (identity === undefined && request.bucket !== 'open') throw new Error('anonymous')
          return undefined
        },
      },
    },
  )
}

async function post(
  fields: Fields,
  file: string | Buffer | undefined,
  path = '/b',
  filename?: string,
): Promise<Answer> {
  await open()
  const body = form(fields, file, filename)
  return gate.ask(head(body.length, '', path), body)
}

describe('a form', () => {
  test('is the PutObject that its fields say', async () => {
    const answer = await post(
      [
        ...FORM,
        ['acl', 'public-read'],
        ['Content-Type', 'text/plain'],
        ['Cache-Control', 'no-store'],
        ['x-amz-meta-Name', 'Zoë'],
        ['x-amz-storage-class', 'GLACIER'],
        [
          'tagging',
          '<Tagging><TagSet><Tag><Key>a b</Key><Value>&amp;=</Value></Tag></TagSet></Tagging>',
        ],
        ['x-ignore-me', 'x'],
        ['x-amz-copy-source', 'other/secret'],
        ['submit', 'Upload'],
      ],
      'the bytes of the file',
    )
    expect(answer).toMatchObject({ status: 204, body: '' })
    expect(answer.headers).toMatchObject({
      etag: expect.any(String),
      'x-amz-version-id': 'v1',
      location: 'http://h:1/b/u/k',
    })
    expect(s3.objects.get('b/u/k')?.toString()).toBe('the bytes of the file')
    const { Body: _body, ...input } = inputs[0]!
    expect(input).toEqual({
      Bucket: 'b',
      Key: 'u/k',
      ACL: 'public-read',
      ContentType: 'text/plain',
      CacheControl: 'no-store',
      Metadata: { name: Buffer.from('Zoë').toString('latin1') },
      StorageClass: 'GLACIER',
      Tagging: 'a%20b=%26%3D',
    })
    expect(await gate.settled(1)).toMatchObject([
      { operation: 'PostObject', key: 'u/k', requester: ALICE.id, bytesIn: 21 },
    ])
  })

  test('is the same however its bytes come', async () => {
    // The file is full of beginnings of the boundary.
    const file = Buffer.from('\r\n--\r\n-\r\r\n--Y\r\n--'.repeat(3))
    const body = form([...FORM, ['acl', '']], file)
    await open()
    for (const size of [1, 2, 3, 5, 7, 64]) {
      const wire = gate.wire().send(`${head(body.length)}\r\n`)
      for (let at = 0; at < body.length; at += size) {
        wire.send(body.subarray(at, at + size))
        await new Promise(setImmediate)
      }
      expect((await wire.answer()).status).toBe(204)
      expect(s3.objects.get('b/u/k')?.toString()).toBe(file.toString())
    }
  })

  test('of a file that is empty, or begins like the boundary, is taken as it is', async () => {
    for (const file of ['', '--X', '\r\n', '\r\n--', '-']) {
      const answer = await post([['key', 'k']], file, '/open')
      expect(answer.status).toBe(204)
      expect(s3.objects.get('open/k')?.toString()).toBe(file)
      await gate[Symbol.asyncDispose]()
    }
    await open()
  })

  test('is asked for once it is wanted, and read at the pace of its reader', async () => {
    await open()
    const body = form(FORM, Buffer.alloc(90_000, 'x'))
    const wire = gate.wire().send(`${head(body.length, 'expect: 100-continue\r\n')}\r\n`)
    expect((await wire.answer('POST')).status).toBe(100)
    wire.send(body)
    expect((await wire.answer('POST')).status).toBe(204)
    expect(s3.objects.get('b/u/k')?.length).toBe(90_000)
  })

  test('${filename} is the name of the file, without its path', async () => {
    for (const [filename, key] of [
      ['a b.txt', 'u/a b.txt'],
      ['C:\\dir\\c.txt', 'u/c.txt'],
      ['../../etc/passwd', 'u/passwd'],
      ['', 'u/'],
      ['\\"q\\".txt', 'u/"q".txt'],
    ] as const) {
      await post(
        [
          ['key', 'u/${filename}'],
          ['signature', 'Fake alice'],
        ],
        'abc',
        '/b',
        filename,
      )
      expect(inputs[0]?.Key).toBe(key)
      await gate[Symbol.asyncDispose]()
    }
    await open()
  })
})

describe('the answer', () => {
  test('201 is a document', async () => {
    const answer = await post(
      [
        ['key', 'a&b/ü'],
        ['signature', 'Fake alice'],
        ['success_action_status', '201'],
      ],
      'abc',
    )
    expect(answer.status).toBe(201)
    expect(answer.body).toContain(
      '<Location>http://h:1/b/a%26b/%C3%BC</Location><Bucket>b</Bucket><Key>a&amp;b/ü</Key><ETag>&quot;',
    )
  })

  test.each([
    ['200', 200],
    ['404', 204],
  ])('success_action_status %s is %d without a body', async (said, status) => {
    const answer = await post([...FORM, ['success_action_status', said]], 'abc')
    expect(answer).toMatchObject({ status, body: '' })
  })

  test('a redirect tells where the file is', async () => {
    const answer = await post(
      [
        ...FORM,
        ['success_action_redirect', 'https://app.test/done?x=1'],
        ['success_action_status', '201'],
      ],
      'abc',
    )
    expect(answer.status).toBe(303)
    expect(answer.headers['location']).toMatch(
      /^https:\/\/app\.test\/done\?x=1&bucket=b&key=u%2Fk&etag=%22[0-9a-f]{32}%22$/,
    )
  })

  test.each([
    'javascript:alert(1)',
    '//evil',
    'https://',
    'https://a b',
    'https://a/\r\nset-cookie: a=b',
  ])('a redirect to %j is taken for none', async (redirect) => {
    const answer = await post([...FORM, ['redirect', redirect]], 'abc')
    expect(answer.status).toBe(204)
    expect(answer.headers).not.toHaveProperty('set-cookie')
  })
})

describe('nothing is stored of a form', () => {
  async function outcomeOf(answer: Answer): Promise<unknown[]> {
    await sleep(5)
    return [answer.status, /<Code>(.*)<\/Code>/.exec(answer.body)?.[1], s3.objects.size]
  }

  test.each<[string, Fields, string | undefined, number, string]>([
    [
      'whose signature is wrong',
      [
        ['key', 'k'],
        ['signature', 'x'],
      ],
      'abc',
      403,
      'SignatureDoesNotMatch',
    ],
    ['that nobody signed', [['key', 'k']], 'abc', 500, 'InternalError'],
    ['without a key', [['signature', 'Fake alice']], 'abc', 400, 'InvalidArgument'],
    ['without a file', FORM, undefined, 400, 'IncorrectNumberOfFilesInPostRequest'],
    ['of a file below its bound', FORM, 'a', 400, 'EntityTooSmall'],
    ['of a file above its bound', FORM, 'a'.repeat(100_001), 400, 'EntityTooLarge'],
    [
      'with a line break in a header',
      [...FORM, ['x-amz-meta-a', 'a\r\nb: c']],
      'abc',
      400,
      'InvalidArgument',
    ],
    ['with tags that are no XML', [...FORM, ['tagging', '<Tagging>']], 'abc', 400, 'MalformedXML'],
    [
      'with fields of more than 20 KiB',
      [...FORM, ['x-amz-meta-a', 'a'.repeat(20_480)]],
      'abc',
      400,
      'MaxPostPreDataLengthExceededError',
    ],
    [
      'with a wrong checksum',
      [...FORM, ['x-amz-checksum-crc32', 'AAAAAA==']],
      'abc',
      400,
      'BadDigest',
    ],
    [
      'with a storage class that is none',
      [...FORM, ['x-amz-storage-class', 'x']],
      'abc',
      400,
      'InvalidStorageClass',
    ],
  ])('%s', async (_what, fields, file, status, code) => {
    expect(await outcomeOf(await post(fields, file))).toEqual([status, code, 0])
  })

  test.each<[string, string, string, number, string]>([
    [
      'without a boundary',
      'multipart/form-data',
      form(FORM, 'abc').toString(),
      400,
      'MalformedPOSTRequest',
    ],
    [
      'cut within the file',
      'multipart/form-data; boundary=X',
      form(FORM, 'abc', 'f', '').toString().slice(0, -4),
      400,
      'MalformedPOSTRequest',
    ],
    [
      'cut within a field',
      'multipart/form-data; boundary=X',
      '--X\r\nContent-Disposition: form-data; name="key"\r\n\r\nk',
      400,
      'MalformedPOSTRequest',
    ],
    [
      'of another boundary',
      'multipart/form-data; boundary="Y"',
      form(FORM, 'abc').toString(),
      400,
      'MalformedPOSTRequest',
    ],
    [
      'whose part has no name',
      'multipart/form-data; boundary=X',
      '--X\r\nContent-Type: a\r\n\r\nk\r\n--X--',
      400,
      'MalformedPOSTRequest',
    ],
    [
      'whose boundary runs on',
      'multipart/form-data; boundary=X',
      form(FORM, 'abc').toString().replaceAll('--X\r\n', '--XY\r\n'),
      400,
      'MalformedPOSTRequest',
    ],
  ])('%s', async (_what, type, body, status, code) => {
    await open()
    const lines = `POST /b HTTP/1.1\r\nhost: h\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n`
    expect(await outcomeOf(await gate.ask(lines, body))).toEqual([status, code, 0])
  })

  test('that is signed in a header too, or has no length', async () => {
    await open()
    const body = form(FORM, 'abc')
    const both = await gate.ask(head(body.length, SIGNED), body)
    expect(await outcomeOf(both)).toEqual([400, 'InvalidArgument', 0])
    const bare = 'POST /b HTTP/1.1\r\nhost: h\r\ncontent-type: multipart/form-data; boundary=X\r\n'
    expect(await outcomeOf(await gate.ask(bare))).toEqual([411, 'MissingContentLength', 0])
  })

  test('whose client goes away before its end', async () => {
    await open()
    const body = form(FORM, 'abc'.repeat(1000))
    const wire = gate.wire().send(`${head(body.length)}\r\n`, body.subarray(0, 1000))
    await sleep(20)
    wire[Symbol.dispose]()
    expect(await gate.settled(1)).toMatchObject([{ isBroken: true }])
    expect(s3.objects.size).toBe(0)
  })
})
