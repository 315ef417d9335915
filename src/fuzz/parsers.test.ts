/** What the parsers of requests promise of any bytes: see `fuzz.ts`. */
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { canonicalQuery } from '../auth/canonical.ts'
import { createAuthenticator } from '../auth/open.ts'
import { checkPolicy } from '../auth/post-policy.ts'
import { Users } from '../auth/users.ts'
import { fakeSigner } from '../http/aws-chunked.fixture.ts'
import { ChunkedDecoder } from '../http/aws-chunked.ts'
import type { Receiver, Source } from '../http/body.ts'
import { readForm } from '../http/form-reader.ts'
import { readHead } from '../http/head.ts'
import { bodyKind, parseInput } from '../http/parse.ts'
import { POST_OBJECT, route } from '../http/route.ts'
import { XmlError } from '../http/xml-build.ts'
import { parseXml, readXml } from '../http/xml-read.ts'
import { fuzz, type Target } from './fuzz.ts'

/** The code of what a client is told; anything else is a fault of ours, and comes through. */
function codeOf(error: unknown): string {
  if (error instanceof S3Error && error.status < 500) return error.code
  if (error instanceof S3Error && error.code === 'NotImplemented') return error.code
  throw error
}

function attempt<T>(read: () => T): T | string {
  try {
    return read()
  } catch (error) {
    return codeOf(error)
  }
}

/** A source that is told what to push, and pushes it whatever it is asked. */
class Pushing implements Source {
  readonly isAnnounced = true
  readonly length = undefined
  receiver: Receiver | undefined
  isStopped = false

  start(receiver: Receiver): void {
    this.receiver = receiver
  }

  stop(): void {
    this.isStopped = true
  }

  pause(): void {}
  resume(): void {}

  push(pieces: readonly Buffer[]): void {
    for (const piece of pieces) if (!this.isStopped) this.receiver!.data(Buffer.from(piece))
    if (!this.isStopped) this.receiver!.end()
  }
}

interface FormRead {
  readonly fields: readonly (readonly [string, string])[]
  readonly filename: string
  readonly file: string
}

/** What a form comes to: its parts, or a code. */
async function formOf(pieces: readonly Buffer[]): Promise<FormRead | string> {
  const source = new Pushing()
  try {
    const reading = readForm(source, 'X')
    source.push(pieces)
    const { fields, filename, file } = await reading
    const chunks: Buffer[] = []
    await new Promise<void>((resolve, reject) => {
      file.start({ data: (chunk) => chunks.push(Buffer.from(chunk)), end: resolve, fail: reject })
    })
    return {
      fields: fields.map(({ name, bytes }) => [name, bytes.toString('latin1')] as const),
      filename,
      file: Buffer.concat(chunks).toString('latin1'),
    }
  } catch (error) {
    return codeOf(error)
  }
}

const FORM: Target = {
  name: 'form',
  words: [
    '--X',
    '\r\n',
    '\r\n\r\n',
    '--',
    '; name="',
    '; filename="',
    '"',
    "filename*=UTF-8''%",
    'Content-Disposition: form-data',
  ],
  async check(input, random) {
    const whole = await formOf([input])
    const cut = await formOf(random.cut(input))
    if (!isDeepStrictEqual(whole, cut)) throw new Error('it depends on how the bytes come')
    if (typeof whole === 'string') return whole
    if (whole.file.includes('\r\n--X')) throw new Error('the file goes on behind its boundary')
    return 'ok'
  },
}

function decoded(pieces: readonly Buffer[], isSigned: boolean): string {
  const data: Buffer[] = []
  const signer = isSigned ? { signer: fakeSigner() } : {}
  const decoder = new ChunkedDecoder(
    { ...signer, trailer: true, announced: ['x-amz-checksum-crc32'] },
    (chunk) => data.push(Buffer.from(chunk)),
  )
  const code = attempt(() => {
    for (const piece of pieces) decoder.push(Buffer.from(piece))
    decoder.end()
    return 'ok'
  })
  return code === 'ok' ? `ok ${Buffer.concat(data).toString('latin1')}` : code
}

const CHUNKED: Target = {
  name: 'aws-chunked',
  words: [
    '\r\n',
    '\n',
    '0',
    'ffffffff',
    ';chunk-signature=',
    'x-amz-checksum-crc32:NhCmhg==',
    'x-amz-trailer-signature:',
    ':',
  ],
  check(input, random) {
    const isSigned = random.below(2) === 0
    const whole = decoded([input], isSigned)
    if (whole !== decoded(random.cut(input), isSigned))
      throw new Error('it depends on how the bytes come')
    return whole.split(' ')[0]!
  },
}

/** Roots of documents with the shapes that they are read by. */
const DOCUMENTS = [
  ['Delete', 'Delete'],
  ['CompleteMultipartUpload', 'CompletedMultipartUpload'],
  ['CORSConfiguration', 'CORSConfiguration'],
  ['WebsiteConfiguration', 'WebsiteConfiguration'],
  ['AccessControlPolicy', 'AccessControlPolicy'],
  ['Tagging', 'Tagging'],
] as const

function xmlOf(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    if (error instanceof XmlError) return 'XmlError'
    throw error
  }
}

const XML: Target = {
  name: 'xml',
  words: [
    '<',
    '>',
    '</',
    '/>',
    '&amp;',
    '&#x26;',
    '&x;',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '<!DOCTYPE a>',
    '<?a?>',
    'xmlns="a"',
    'a:',
    '<Key>',
    '</Key>',
  ],
  check(input) {
    let outcome = 'XmlError'
    for (const [root, shape] of DOCUMENTS) {
      const quick = xmlOf(() => readXml(input, root, shape))
      if (!input.equals(Buffer.from(input.toString()))) continue
      const slow = xmlOf(() => parseXml(input.toString(), root, shape))
      if (!isDeepStrictEqual(quick, slow)) throw new Error(`the two readers of ${root} differ`)
      if (quick !== 'XmlError') outcome = 'ok'
    }
    return outcome
  },
}

const QUERY: Target = {
  name: 'query',
  words: [
    '?',
    '&',
    '=',
    '%',
    '%2F',
    '%00',
    '%ff',
    '%C3%BC',
    '+',
    '//',
    '..',
    'uploadId=',
    'partNumber=1',
    'versionId=',
    'list-type=2',
    'X-Amz-Signature=',
    'x-amz-acl=private',
    '#',
  ],
  check(input) {
    const [method = '', target = '', ...headers] = input.toString('latin1').split('\n')
    const read = attempt(() => {
      const raw = headers.flatMap((line) => [
        line.split(':')[0]!,
        line.slice(line.indexOf(':') + 1),
      ])
      const head = readHead(method, target, raw, ['s3.example.com'])
      const operation = route(head)
      if (operation === POST_OBJECT) return 'ok'
      const kind = bodyKind(operation)
      return (
        attempt(
          () =>
            void parseInput(
              operation,
              head,
              kind === 'xml' || kind === 'text' ? Buffer.alloc(0) : undefined,
            ),
        ) ?? 'ok'
      )
    })
    const query = target.slice(target.indexOf('?') + 1)
    const canonical = canonicalQuery(query)
    if (canonicalQuery(canonical) !== canonical)
      throw new Error('a canonical query has another canonical form')
    return read
  },
}

const POST_POLICY: Target = {
  name: 'post-policy',
  words: [
    '"',
    '[',
    ']',
    '{',
    '}',
    ',',
    ':',
    '$',
    'eq',
    'starts-with',
    'content-length-range',
    'expiration',
    'conditions',
    '-1',
    '1e999',
    'null',
    '"bucket"',
    '"2030-01-01T00:00:00Z"',
  ],
  check(input) {
    const claims = {
      bucket: 'b',
      fields: new Map([
        ['key', 'u/k'],
        ['acl', 'private'],
      ]),
    }
    return attempt(() => {
      const { min, max } = checkPolicy(input.toString('base64'), claims, 0)
      if (!(min >= 0 && min <= max)) return 'no bounds'
      return 'ok'
    })
  },
}

const authenticator = createAuthenticator({
  users: new Users([
    {
      accessKeyId: 'AKIAEXAMPLE',
      secretAccessKey: 'nobody in this test signs',
      userId: 'u',
      displayName: 'U',
    },
  ]),
  region: undefined,
  clock: { now: () => Date.UTC(2026, 10, 20) },
  skewMaxMs: 900_000,
})

const AUTHORIZATION: Target = {
  name: 'authorization',
  words: [
    'AWS4-HMAC-SHA256',
    'Credential=',
    'SignedHeaders=',
    'Signature=',
    ',',
    ' ',
    '/',
    ';',
    'AWS ',
    'host;x-amz-content-sha256;x-amz-date',
    'AKIAEXAMPLE',
    '20261120',
  ],
  check(input) {
    const text = input.toString('latin1')
    const rawHeaders = [
      'Host',
      'h',
      'x-amz-date',
      '20261120T000000Z',
      'x-amz-content-sha256',
      'UNSIGNED-PAYLOAD',
      'Authorization',
      text,
    ]
    const header = (name: string): string | undefined => {
      const at = rawHeaders.findIndex(
        (each, index) => index % 2 === 0 && each.toLowerCase() === name,
      )
      return rawHeaders[at + 1]
    }
    const request = { method: 'GET', path: '/b/k', query: '', rawHeaders, header }
    const identity = attempt(() => authenticator.authenticate(request))
    if (typeof identity === 'string') return identity
    if (identity !== undefined) throw new Error('somebody was let in')
    return 'anonymous'
  },
}

test.each([
  [FORM, 'ok', 'MalformedPOSTRequest'],
  [CHUNKED, 'ok', 'IncompleteBody'],
  [XML, 'ok', 'XmlError'],
  [QUERY, 'ok', 'InvalidURI'],
  [POST_POLICY, 'ok', 'InvalidPolicyDocument'],
  [AUTHORIZATION, 'SignatureDoesNotMatch', 'AuthorizationHeaderMalformed'],
] as const)(
  '$name: whatever comes, it is read or refused, and always alike',
  async (target, ...seen) => {
    const { runs, outcomes } = await fuzz(target)
    expect(runs).toBeGreaterThan(30)
    // Neither all good nor all bad: the changes reach what is behind the first check.
    expect([...outcomes.keys()]).toEqual(expect.arrayContaining([...seen]))
  },
)
