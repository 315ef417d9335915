import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ChunkSigner } from '../auth/authenticator.ts'
import { fakeSigner, frame } from './aws-chunked.fixture.ts'
import { ChunkedDecoder, type ChunkedFraming } from './aws-chunked.ts'

const CRC = 'x-amz-checksum-crc32'
const hello = Buffer.from('hello')

interface Decoded {
  readonly data: string
  readonly trailers: Readonly<Record<string, string>>
  readonly pieces: number
}

function decode(pushes: readonly Uint8Array[], framing: Partial<ChunkedFraming> = {}): Decoded {
  const seen: Buffer[] = []
  const decoder = new ChunkedDecoder({ trailer: true, announced: [], ...framing }, (data) =>
    seen.push(Buffer.from(data)),
  )
  for (const bytes of pushes) decoder.push(Buffer.from(bytes))
  decoder.end()
  return {
    data: Buffer.concat(seen).toString('latin1'),
    trailers: Object.fromEntries(decoder.trailers),
    pieces: seen.length,
  }
}

const bytewise = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.of(byte))

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'none'
}

describe('the forms', () => {
  test('unsigned chunks with a trailer, as boto3 sends them', () => {
    const body = Buffer.from(`5\r\nhello\r\n0\r\n${CRC}:NhCmhg==\r\n\r\n`)
    expect(decode([body], { announced: [CRC] })).toEqual({
      data: 'hello',
      trailers: { [CRC]: 'NhCmhg==' },
      pieces: 1,
    })
  })

  test('signed chunks', () => {
    const body = frame({ chunks: [hello, hello], signer: fakeSigner() })
    expect(decode([body], { signer: fakeSigner(), trailer: false }).data).toBe('hellohello')
  })

  test.each(['\r\n', '\n\r\n', '\n'])(
    'signed chunks and trailers, these ending %j',
    (trailerEnd) => {
      const trailers = [`${CRC}:NhCmhg==`]
      const body = frame({ chunks: [hello], signer: fakeSigner(), trailers, trailerEnd })
      expect(decode([body], { signer: fakeSigner(), announced: [CRC] }).trailers).toEqual({
        [CRC]: 'NhCmhg==',
      })
    },
  )

  test.each(['\n\r\n\r\n', '\r\n', '\r\n\r\n'])(
    'unsigned trailers closed by %j, as minio-go does',
    (close) => {
      expect(decode([Buffer.from(`0\r\n${CRC}:AAAAAA==${close}`)], { announced: [CRC] }).data).toBe(
        '',
      )
    },
  )

  test('an empty body', () => {
    expect(decode([frame({ chunks: [] })]).data).toBe('')
    const signed = frame({ chunks: [], signer: fakeSigner() })
    expect(decode([signed], { signer: fakeSigner() }).data).toBe('')
  })

  test('names and signatures of trailers are not read as data, whatever their case', () => {
    const body = Buffer.from('0\r\nX-Amz-Checksum-CRC32: NhCmhg== \r\n\r\n')
    expect(decode([body], { announced: [CRC] }).trailers).toEqual({ [CRC]: 'NhCmhg==' })
  })
})

function cut(body: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((place) => place % (body.length + 1)), body.length]
  places.sort((a, b) => a - b)
  return places.slice(1).map((end, i) => body.subarray(places[i], end))
}

describe('splits', () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 6000 }), { maxLength: 6 })
  const cuts = fc.array(fc.nat(40_000), { maxLength: 12 })

  test('wherever the transport cuts, signed chunks give the same bytes', () => {
    fc.assert(
      fc.property(chunks, cuts, (data, at) => {
        const trailers = [`${CRC}:NhCmhg==`]
        const body = frame({ chunks: data, signer: fakeSigner(), trailers })
        const decoded = decode(cut(body, at), { signer: fakeSigner(), announced: [CRC] })
        expect(decoded.data).toBe(Buffer.concat(data).toString('latin1'))
        expect(decoded.trailers).toEqual({ [CRC]: 'NhCmhg==' })
      }),
      { numRuns: 150 },
    )
  })

  test('byte by byte', () => {
    const trailers = [`${CRC}:NhCmhg==`]
    const body = frame({
      chunks: [hello, Buffer.from('\r\n0\r\n')],
      signer: fakeSigner(),
      trailers,
    })
    const decoded = decode(bytewise(body), { signer: fakeSigner(), announced: [CRC] })
    expect(decoded.data).toBe('hello\r\n0\r\n')
  })

  test('ten thousand chunks of five bytes in one push come as one piece', () => {
    const body = frame({ chunks: Array.from({ length: 10_000 }, () => hello) })
    const decoded = decode([body])
    expect(decoded.data).toBe('hello'.repeat(10_000))
    expect(decoded.pieces).toBe(1)
  })

  test('a large chunk passes as a view, uncopied', () => {
    const body = frame({ chunks: [Buffer.alloc(100_000, 'a')] })
    const seen: Uint8Array[] = []
    const decoder = new ChunkedDecoder({ trailer: false, announced: [] }, (data) => seen.push(data))
    decoder.push(body)
    decoder.end()
    expect(seen.map((data) => [data.buffer === body.buffer, data.length])).toEqual([
      [true, 100_000],
    ])
  })
})

const signed = (signer: ChunkSigner = fakeSigner()): Partial<ChunkedFraming> => ({ signer })

describe('refusals', () => {
  test.each([
    ['a flipped bit in a chunk', (body: Buffer) => (body[body.indexOf('hello')]! ^= 1)],
    ['a wrong signature', (body: Buffer) => (body[body.indexOf('=') + 1]! ^= 1)],
    [
      'a wrong signature of the last chunk',
      (body: Buffer) => (body[body.lastIndexOf('=') + 9]! ^= 1),
    ],
  ])('%s is SignatureDoesNotMatch', (_name, spoil) => {
    const body = frame({ chunks: [hello], signer: fakeSigner() })
    spoil(body)
    expect(codeOf(() => decode([body], signed()))).toBe('SignatureDoesNotMatch')
    expect(codeOf(() => decode(bytewise(body), signed()))).toBe('SignatureDoesNotMatch')
  })

  test('chunks exchanged for one another are SignatureDoesNotMatch', () => {
    const signer = fakeSigner()
    const first = frame({ chunks: [hello, Buffer.from('HELLO')], signer }).toString('latin1')
    const [a = '', b = ''] = first.split('\r\n').filter((line) => line.startsWith('5;'))
    const swapped = first.replace(a, '#').replace(b, a).replace('#', b)
    expect(codeOf(() => decode([Buffer.from(swapped)], signed()))).toBe('SignatureDoesNotMatch')
  })

  test('unsigned chunks where signed ones were promised are SignatureDoesNotMatch', () => {
    expect(codeOf(() => decode([frame({ chunks: [hello] })], signed()))).toBe(
      'SignatureDoesNotMatch',
    )
  })

  test('a wrong signature of the trailers is SignatureDoesNotMatch', () => {
    const trailers = [`${CRC}:NhCmhg==`]
    const body = frame({ chunks: [hello], signer: fakeSigner(), trailers }).toString('latin1')
    const spoilt = Buffer.from(body.replace('NhCmhg==', 'NhCmhh=='))
    const framing = { signer: fakeSigner(), announced: [CRC] }
    expect(codeOf(() => decode([spoilt], framing))).toBe('SignatureDoesNotMatch')
  })

  test('trailers without their signature are MalformedTrailerError', () => {
    const body = frame({ chunks: [hello], signer: fakeSigner() })
      .toString('latin1')
      .slice(0, -2)
    const unsigned = Buffer.from(`${body}${CRC}:NhCmhg==\r\n\r\n`)
    const framing = { signer: fakeSigner(), announced: [CRC] }
    expect(codeOf(() => decode([unsigned], framing))).toBe('MalformedTrailerError')
  })

  test.each([
    ['an announced trailer that does not come', '0\r\n\r\n', [CRC]],
    ['a trailer that nobody announced', `0\r\n${CRC}:NhCmhg==\r\n\r\n`, []],
    ['the same trailer twice', `0\r\n${CRC}:NhCmhg==\r\n${CRC}:NhCmhg==\r\n\r\n`, [CRC]],
    ['a line that is no trailer', '0\r\nnonsense\r\n\r\n', [CRC]],
    ['trailers without end', `0\r\n${CRC}:${'A'.repeat(9000)}`, [CRC]],
    ['empty lines without end', `0\r\n${'\r\n'.repeat(9000)}`, [CRC]],
    ['half a trailer', `0\r\n${CRC}:NhC`, [CRC]],
    ['a signature nobody asked for', `0\r\nx-amz-trailer-signature:00\r\n\r\n`, []],
  ])('%s: MalformedTrailerError', (_name, body, announced) => {
    expect(codeOf(() => decode([Buffer.from(body)], { announced }))).toBe('MalformedTrailerError')
    expect(codeOf(() => decode(bytewise(Buffer.from(body)), { announced }))).toBe(
      'MalformedTrailerError',
    )
  })

  test.each([
    ['trailers', `${CRC}:${'A'.repeat(9000)}`],
    ['empty lines', '\r\n'.repeat(9000)],
  ])('%s without end are refused while they come, not once they are over', (_name, flood) => {
    const decoder = new ChunkedDecoder({ trailer: true, announced: [CRC] }, () => {})
    decoder.push(Buffer.from('0\r\n'))
    expect(codeOf(() => decoder.push(Buffer.from(flood)))).toBe('MalformedTrailerError')
  })

  test.each([
    ['nothing at all', ''],
    ['half a chunk', '5\r\nhel'],
    ['no last chunk', '5\r\nhello\r\n'],
    ['half a header', '5\r\nhello\r\n0'],
  ])('%s: IncompleteBody', (_name, body) => {
    expect(codeOf(() => decode([Buffer.from(body)]))).toBe('IncompleteBody')
  })

  test.each([
    ['a chunk longer than its header says', '4\r\nhello\r\n0\r\n\r\n'],
    ['a size that is no number', 'x\r\n\r\n'],
    ['a negative size', '-1\r\nh\r\n'],
    ['an empty size', '\r\n'],
    ['a size beyond all sizes', 'fffffffffffffff\r\n'],
    ['a header without end', '0'.repeat(1000)],
    ['an extension without end', `5;${'x'.repeat(600)}\r\nhello`],
    ['bytes after the end', '0\r\n\r\nmore'],
    ['line ends without end', `0\r\n\r\n${'\r\n'.repeat(10)}`],
    ['another body after the end', '0\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
  ])('%s: InvalidRequest', (_name, body) => {
    expect(codeOf(() => decode([Buffer.from(body)]))).toBe('InvalidRequest')
    expect(codeOf(() => decode(bytewise(Buffer.from(body))))).toBe('InvalidRequest')
  })
})
