import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { S3Error } from '../api/error.ts'
import type { BodyScheme } from '../auth/authenticator.ts'
import { fakeSigner, frame } from './aws-chunked.fixture.ts'
import type { Receiver, Source } from './body.ts'
import { Intake } from './intake.ts'
import { createPayload, type RequestPayload } from './payload.ts'

const intake = new Intake()
afterAll(() => intake[Symbol.dispose]())

/** A source that pushes what the test says, when it says so; and remembers what it was asked. */
class FakeSource implements Source {
  readonly isAnnounced = true
  readonly length: number | undefined
  readonly asked: string[] = []
  receiver: Receiver | undefined

  constructor(length?: number) {
    this.length = length
  }

  start(receiver: Receiver): void {
    this.asked.push('start')
    this.receiver = receiver
  }

  pause(): void {
    this.asked.push('pause')
  }

  resume(): void {
    this.asked.push('resume')
  }

  stop(): void {
    this.asked.push('stop')
  }

  send(...chunks: readonly (Uint8Array | string)[]): void {
    for (const chunk of chunks) this.receiver!.data(Buffer.from(chunk as string))
    this.receiver!.end()
  }
}

const sha256 = (bytes: string): string => createHash('sha256').update(bytes).digest('hex')
const md5 = (bytes: string, encoding: 'hex' | 'base64'): string =>
  createHash('md5').update(bytes).digest(encoding)
const crc = (bytes: string): string => {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(crc32(bytes))
  return buffer.toString('base64')
}

const UNSIGNED: BodyScheme = { kind: 'unsigned' }
const TRAILING: BodyScheme = { kind: 'chunked', trailer: true }

function open(
  headers: Readonly<Record<string, string>>,
  scheme: BodyScheme = UNSIGNED,
  source: Source = new FakeSource(5),
  sizeMax = 1024 ** 3,
  bodies = intake,
): RequestPayload {
  const request = {
    method: 'PUT',
    path: '/b/k',
    query: '',
    rawHeaders: Object.entries(headers).flat(),
    header: (name: string) => headers[name],
  }
  return createPayload(request, scheme, source, {
    sizeMax,
    tooLarge: 'EntityTooLarge',
    malformedChecksum: 'InvalidRequest',
    ownChecksum: true,
    intake: bodies,
  })
}

async function readAll(body: AsyncIterable<Uint8Array> | Uint8Array): Promise<string> {
  if (body instanceof Uint8Array) return Buffer.from(body).toString()
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(Uint8Array.prototype.slice.call(chunk))
  return Buffer.concat(chunks).toString()
}

/** The body both ways: collected whole, and streamed. */
async function both(
  headers: Readonly<Record<string, string>>,
  scheme: () => BodyScheme,
  body: Uint8Array | string,
  length?: number,
): Promise<readonly string[]> {
  const results: string[] = []
  for (const inlineMax of [1000, 0]) {
    const source = new FakeSource(length)
    try {
      const taking = open(headers, scheme(), source).take(inlineMax, ['md5'])
      source.send(body)
      results.push(await readAll(await taking))
    } catch (error) {
      results.push(error instanceof S3Error ? error.code : String(error))
    }
  }
  return results
}

describe('claims of the head', () => {
  test.each([
    [{ 'content-md5': 'nonsense' }, 'InvalidDigest'],
    [{ 'content-md5': 'AAAA' }, 'InvalidDigest'],
    [{ 'x-amz-checksum-crc32': 'x' }, 'InvalidRequest'],
    [{ 'x-amz-checksum-sha256': 'AAAAAA==' }, 'InvalidRequest'],
    [{ 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-crc32c': 'AAAAAA==' }, 'InvalidRequest'],
    [{ 'x-amz-sdk-checksum-algorithm': 'CRC32' }, 'InvalidRequest'],
    [{ 'x-amz-sdk-checksum-algorithm': 'ROT13' }, 'InvalidRequest'],
    [
      { 'x-amz-sdk-checksum-algorithm': 'SHA1', 'x-amz-checksum-crc32': 'AAAAAA==' },
      'InvalidRequest',
    ],
  ])('%j is refused before a byte is read', (headers, code) => {
    const source = new FakeSource(5)
    expect(() => open(headers as Record<string, string>, UNSIGNED, source)).toThrow(
      expect.objectContaining({ code }),
    )
    expect(source.asked).toEqual([])
  })

  test('a malformed checksum is named by its header', () => {
    expect(() => open({ 'x-amz-checksum-crc32': 'AAAA' })).toThrow(
      'Value for x-amz-checksum-crc32 header is invalid.',
    )
  })

  test('x-amz-checksum-type and -algorithm are no checksums', () => {
    const headers = { 'x-amz-checksum-type': 'FULL_OBJECT', 'x-amz-checksum-algorithm': 'CRC32' }
    expect(open(headers).claimed).toBeUndefined()
  })

  test('a checksum in the header and another in the trailer are one too many', () => {
    const headers = { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-trailer': 'x-amz-checksum-crc32' }
    expect(() => open(headers, TRAILING)).toThrow('Multiple checksum Types are not allowed')
  })

  test('a trailer that is no checksum is refused', () => {
    expect(() => open({ 'x-amz-trailer': 'x-amz-meta-a' }, TRAILING)).toThrow('x-amz-trailer')
  })

  test.each(['-1', 'x', '1e3', '', ' 5'])('a decoded length of %j is refused', (length) => {
    expect(() => open({ 'x-amz-decoded-content-length': length }, TRAILING)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument' }),
    )
  })

  test('a decoded length that differs from a plain one is framing in disguise', () => {
    const headers = { 'x-amz-decoded-content-length': '4' }
    expect(() => open(headers)).toThrow('names no streaming payload')
    expect(open({ 'x-amz-decoded-content-length': '5' }).size).toBe(5)
  })

  test('a length over the limit is EntityTooLarge before a byte is read', () => {
    expect(() => open({}, UNSIGNED, new FakeSource(11), 10)).toThrow(
      expect.objectContaining({ code: 'EntityTooLarge' }),
    )
    const headers = { 'x-amz-decoded-content-length': '11' }
    expect(() => open(headers, TRAILING, new FakeSource(), 10)).toThrow('exceeds the maximum')
  })

  test('the size is the decoded one', () => {
    const headers = { 'x-amz-decoded-content-length': '5' }
    expect(open(headers, TRAILING, new FakeSource(50)).size).toBe(5)
    expect(open({}, TRAILING, new FakeSource(50)).size).toBeUndefined()
    expect(open({}, UNSIGNED, new FakeSource(50)).size).toBe(50)
  })
})

const whole = (hex: string) => (): BodyScheme => ({ kind: 'sha256', hex })

const signedChunks = (): BodyScheme => ({ kind: 'chunked', signer: fakeSigner(), trailer: false })

describe('verification, whole and streamed alike', () => {
  const right = 'hello'
  test.each([
    [{}, 'an honest body'],
    [{ 'content-md5': md5(right, 'base64') }, 'Content-MD5'],
    [{ 'x-amz-checksum-crc32': crc(right) }, 'a checksum'],
    [{ 'x-amz-checksum-md5': md5(right, 'base64') }, 'an MD5 checksum'],
    [
      { 'x-amz-checksum-crc32': crc(right), 'x-amz-sdk-checksum-algorithm': 'CRC32' },
      'both headers',
    ],
  ])('%j passes: %s', async (headers, _what) => {
    const passed = [right, right]
    expect(await both(headers as Record<string, string>, () => UNSIGNED, right, 5)).toEqual(passed)
    expect(await both(headers as Record<string, string>, whole(sha256(right)), right, 5)).toEqual(
      passed,
    )
    expect(
      await both(headers as Record<string, string>, whole(sha256(right).toUpperCase()), right, 5),
    ).toEqual(passed)
  })

  test.each([
    [{ 'content-md5': md5('other', 'base64') }, 'BadDigest'],
    [{ 'x-amz-checksum-crc32': crc('other') }, 'BadDigest'],
    [{ 'x-amz-checksum-md5': md5('other', 'base64') }, 'BadDigest'],
    [
      { 'x-amz-checksum-sha256': Buffer.from(sha256('other'), 'hex').toString('base64') },
      'BadDigest',
    ],
  ])('%j is %s', async (headers, code) => {
    expect(await both(headers as Record<string, string>, () => UNSIGNED, right, 5)).toEqual([
      code,
      code,
    ])
  })

  test('a body of another hash is XAmzContentSHA256Mismatch, and both hashes are told', async () => {
    const source = new FakeSource(5)
    const taking = open({}, whole(sha256('other'))(), source).take(100, [])
    source.send(right)
    await expect(taking).rejects.toMatchObject({
      code: 'XAmzContentSHA256Mismatch',
      fields: {
        ClientComputedContentSHA256: sha256('other'),
        S3ComputedContentSHA256: sha256(right),
      },
    })
    const mismatch = 'XAmzContentSHA256Mismatch'
    expect(await both({}, whole(sha256('other')), right, 5)).toEqual([mismatch, mismatch])
  })

  test('a body shorter or longer than its length is IncompleteBody', async () => {
    const refused = ['IncompleteBody', 'IncompleteBody']
    expect(await both({}, () => UNSIGNED, 'hell', 5)).toEqual(refused)
    expect(await both({}, () => UNSIGNED, 'hello!', 5)).toEqual(refused)
    const headers = { 'x-amz-decoded-content-length': '6' }
    expect(await both(headers, () => TRAILING, frame({ chunks: [Buffer.from(right)] }))).toEqual(
      refused,
    )
    const shorter = { 'x-amz-decoded-content-length': '4' }
    expect(await both(shorter, () => TRAILING, frame({ chunks: [Buffer.from(right)] }))).toEqual(
      refused,
    )
  })

  test('a trailing checksum is verified', async () => {
    const headers = { 'x-amz-trailer': 'x-amz-checksum-crc32' }
    const body = (value: string): Buffer =>
      frame({ chunks: [Buffer.from(right)], trailers: [`x-amz-checksum-crc32:${value}`] })
    expect(await both(headers, () => TRAILING, body(crc(right)))).toEqual([right, right])
    expect(await both(headers, () => TRAILING, body(crc('other')))).toEqual([
      'BadDigest',
      'BadDigest',
    ])
    const invalid = ['InvalidRequest', 'InvalidRequest']
    expect(await both(headers, () => TRAILING, body('nonsense'))).toEqual(invalid)
    const missing = ['MalformedTrailerError', 'MalformedTrailerError']
    expect(await both(headers, () => TRAILING, frame({ chunks: [] }))).toEqual(missing)
  })

  test('signed chunks are decoded, and refused where their signatures do not hold', async () => {
    const body = frame({ chunks: [Buffer.from(right)], signer: fakeSigner() })
    expect(await both({}, signedChunks, body)).toEqual([right, right])
    body[body.indexOf('hello')]! ^= 1
    expect(await both({}, signedChunks, body)).toEqual([
      'SignatureDoesNotMatch',
      'SignatureDoesNotMatch',
    ])
  })

  test('an empty body is whole', async () => {
    const source = new FakeSource(0)
    const payload = open({}, UNSIGNED, source)
    const taking = payload.take(0, ['md5'])
    source.send()
    expect(await taking).toHaveLength(0)
    expect(payload.digest('md5')).toBe(md5('', 'hex'))
  })
})

describe('digests', () => {
  test.each([1000, 0])('each is told in every spelling, inlineMax %d', async (inlineMax) => {
    const source = new FakeSource(5)
    const payload = open({ 'x-amz-checksum-md5': md5('hello', 'base64') }, UNSIGNED, source)
    const taking = payload.take(inlineMax, ['md5', 'SHA256', 'CRC32'])
    source.send('hel', 'lo')
    expect(await readAll(await taking)).toBe('hello')
    expect(payload.digest('md5')).toBe(md5('hello', 'hex'))
    expect(payload.digest('MD5')).toBe(md5('hello', 'base64'))
    expect(payload.digest('SHA256')).toBe(Buffer.from(sha256('hello'), 'hex').toString('base64'))
    expect(payload.digest('CRC32')).toBe(crc('hello'))
    expect(() => payload.digest('SHA1')).toThrow('not asked for')
  })

  test('one that is not finished is not told', async () => {
    const source = new FakeSource(5)
    const payload = open({}, UNSIGNED, source)
    await payload.take(0, ['md5'])
    expect(() => payload.digest('md5')).toThrow('not finished')
  })
})

describe('streaming', () => {
  test('a body of unknown length streams from where it outgrows inlineMax', async () => {
    const source = new FakeSource()
    const payload = open({}, UNSIGNED, source)
    const taking = payload.take(4, [])
    source.send('he', 'll', 'o')
    const body = await taking
    expect(body).not.toBeInstanceOf(Uint8Array)
    expect(await readAll(body)).toBe('hello')
  })

  test('one that stays within inlineMax comes whole', async () => {
    const source = new FakeSource()
    const taking = open({}, UNSIGNED, source).take(5, [])
    source.send('he', 'llo')
    expect(await taking).toEqual(Buffer.from('hello'))
  })

  test('a small body that comes in one chunk is handed on uncopied', async () => {
    const source = new FakeSource(5)
    const taking = open({}, UNSIGNED, source).take(5, [])
    const chunk = Buffer.from('hello')
    source.receiver!.data(chunk)
    source.receiver!.end()
    expect(await taking).toBe(chunk)
  })

  test('the source is paused with three slabs unread, and resumed once the first is read', async () => {
    const source = new FakeSource(100 * 1024 ** 2)
    const body = (await open({}, UNSIGNED, source).take(0, [])) as AsyncIterable<Uint8Array>
    for (let i = 0; i < 47; i++) source.receiver!.data(Buffer.alloc(65_536))
    expect(source.asked).toEqual(['start'])
    source.receiver!.data(Buffer.alloc(65_536))
    expect(source.asked).toEqual(['start', 'pause'])
    const iterator = body[Symbol.asyncIterator]()
    await iterator.next()
    expect(source.asked).toEqual(['start', 'pause'])
    await iterator.next()
    expect(source.asked).toEqual(['start', 'pause', 'resume'])
    await iterator.return?.()
  })

  test('tiny chunks come together, and cost no memory of their own', async () => {
    const source = new FakeSource(3 * 1024 ** 2)
    const body = await open({}, UNSIGNED, source).take(0, [])
    for (let i = 0; i < 3000; i++) source.receiver!.data(Buffer.from('x'.repeat(1024)))
    source.receiver!.data(Buffer.alloc(3 * 1024 ** 2 - 3000 * 1024))
    source.receiver!.end()
    const sizes: number[] = []
    for await (const chunk of body as AsyncIterable<Uint8Array>) sizes.push(chunk.length)
    expect(sizes).toEqual([1024 ** 2, 1024 ** 2, 1024 ** 2])
  })

  test('a chunk of a long body is let go of at once', async () => {
    const source = new FakeSource(2 * 1024 ** 2)
    const body = (await open({}, UNSIGNED, source).take(0, [])) as AsyncIterable<Uint8Array>
    const chunk = new Uint8Array(65_536)
    const part = new Uint8Array(131_072).subarray(0, 65_536)
    source.receiver!.data(chunk)
    source.receiver!.data(part)
    expect(chunk.length).toBe(0)
    expect(part.length).toBe(65_536)
    await body[Symbol.asyncIterator]().return?.()
  })

  test.each(['read to its end', 'left', 'broken off', 'false'])(
    'all slabs come back from a long body that is %s',
    async (how) => {
      const bytes = Buffer.alloc(5 * 1024 ** 2 + 3, 'sluice ')
      const claimed = how === 'false' ? 'x' : bytes.toString('latin1')
      const source = new FakeSource(bytes.length)
      const payload = open({ 'content-md5': md5(claimed, 'base64') }, UNSIGNED, source)
      const body = (await payload.take(0, ['CRC64NVME'])) as AsyncIterable<Uint8Array>
      const iterator = body[Symbol.asyncIterator]()
      source.receiver!.data(Uint8Array.prototype.slice.call(bytes, 0, 3 * 1024 ** 2))
      await iterator.next()
      if (how === 'left') await iterator.return?.()
      else if (how === 'broken off') {
        source.receiver!.fail(new S3Error('IncompleteBody'))
        await expect(iterator.next()).rejects.toMatchObject({ code: 'IncompleteBody' })
      } else {
        source.receiver!.data(Uint8Array.prototype.slice.call(bytes, 3 * 1024 ** 2))
        source.receiver!.end()
        const reading = readAll({ [Symbol.asyncIterator]: () => iterator })
        if (how === 'false') await expect(reading).rejects.toMatchObject({ code: 'BadDigest' })
        else await reading
      }
      await vi.waitFor(() => expect(intake.lent).toBe(0))
    },
  )

  test('a body whose thread is lost is SlowDown, and no more is read; later ones need no thread', async () => {
    const bodies = new Intake()
    const sourceOf = (): FakeSource => new FakeSource(2 * 1024 ** 2)
    const lost = sourceOf()
    const body = await open({}, UNSIGNED, lost, 1024 ** 3, bodies).take(0, ['md5'])
    lost.receiver!.data(Buffer.alloc(1024 ** 2))
    bodies[Symbol.dispose]()
    await expect(readAll(body)).rejects.toMatchObject({ code: 'SlowDown' })
    expect(lost.asked).toEqual(['start', 'stop'])

    const later = sourceOf()
    const payload = open({}, UNSIGNED, later, 1024 ** 3, bodies)
    const taking = payload.take(0, ['md5'])
    later.send(Buffer.alloc(2 * 1024 ** 2, 'x'))
    await readAll(await taking)
    expect(payload.digest('md5')).toBe(md5('x'.repeat(2 * 1024 ** 2), 'hex'))
    expect(bodies.lent).toBe(0)
  })

  test('a body that outgrows the limit on its way is EntityTooLarge, and no more is read', async () => {
    const source = new FakeSource()
    const taking = open({}, UNSIGNED, source, 10).take(1000, [])
    source.receiver!.data(Buffer.alloc(11))
    await expect(taking).rejects.toMatchObject({ code: 'EntityTooLarge' })
    expect(source.asked).toEqual(['start', 'stop'])
  })

  test('a source that breaks off fails the reader at once', async () => {
    const source = new FakeSource(10)
    const body = await open({}, UNSIGNED, source).take(0, [])
    source.receiver!.data(Buffer.from('hello'))
    source.receiver!.fail(new S3Error('RequestTimeout'))
    await expect(readAll(body)).rejects.toMatchObject({ code: 'RequestTimeout' })
    await expect(readAll(body)).rejects.toMatchObject({ code: 'RequestTimeout' })
  })

  test('a source that breaks off fails a reader that waits', async () => {
    const source = new FakeSource(10)
    const reading = readAll(await open({}, UNSIGNED, source).take(0, []))
    source.receiver!.fail(new S3Error('RequestTimeout'))
    await expect(reading).rejects.toMatchObject({ code: 'RequestTimeout' })
  })

  test('a reader that turns away stops the source', async () => {
    const source = new FakeSource(2 * 1024 ** 2)
    const body = (await open({}, UNSIGNED, source).take(0, [])) as AsyncIterable<Uint8Array>
    source.receiver!.data(Buffer.alloc(1024 ** 2))
    for await (const chunk of body) {
      expect(chunk).toHaveLength(1024 ** 2)
      break
    }
    expect(source.asked).toEqual(['start', 'stop'])
  })

  test('a failed verification is told again to whoever asks again', async () => {
    const source = new FakeSource(5)
    const body = await open({ 'content-md5': md5('other', 'base64') }, UNSIGNED, source).take(0, [])
    source.send('hello')
    await expect(readAll(body)).rejects.toMatchObject({ code: 'BadDigest' })
    await expect(readAll(body)).rejects.toMatchObject({ code: 'BadDigest' })
  })

  test('a body is taken once', async () => {
    const payload = open({})
    void payload.take(0, [])
    expect(() => payload.take(0, [])).toThrow('taken before')
  })
})
