import { beforeAll, expect, test } from 'vitest'
import { digestOf, digestsReady } from '../lib/digest.ts'
import type { Body } from '../lib/stream.ts'
import { CHECKSUM_ALGORITHMS } from './checksum.ts'
import { payloadOf } from './payload-of.ts'

beforeAll(async () => digestsReady)

const BYTES = Buffer.from('the bytes of an object')

async function* inChunks(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.slice(at, at + chunkBytes)
}

async function read(taken: Uint8Array | Body): Promise<Buffer> {
  if (taken instanceof Uint8Array) return Buffer.from(taken)
  const chunks: Buffer[] = []
  for await (const chunk of taken) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

test.each([
  ['bytes', () => BYTES],
  ['a body', () => inChunks(BYTES, 5)],
])(
  '%s within the limit come whole, beyond it they stream, with the same digests',
  async (_, make) => {
    const names = ['md5', ...CHECKSUM_ALGORITHMS] as const
    for (const limit of [BYTES.length, BYTES.length - 1, 0]) {
      const payload = payloadOf(make())
      const taken = await payload.take(limit, names)
      expect(taken instanceof Uint8Array).toBe(limit === BYTES.length)
      expect(await read(taken)).toEqual(BYTES)
      for (const name of names) expect(payload.digest(name)).toBe(digestOf(name, BYTES))
    }
  },
)

test('a long body in memory streams in pieces, whole and in order', async () => {
  const bytes = Buffer.alloc(3_000_000, 'piece by piece ')
  const payload = payloadOf(bytes)
  expect(payload.size).toBe(3_000_000)
  expect((await read(await payload.take(65_536, ['md5']))).equals(bytes)).toBe(true)
  expect(payload.digest('md5')).toBe(digestOf('md5', bytes))
})

test('a claimed checksum is verified before the end is reached', async () => {
  const right = { algorithm: 'CRC32', value: digestOf('CRC32', BYTES) } as const
  const wrong = { algorithm: 'CRC32', value: 'AAAAAA==' } as const
  const refusal = {
    code: 'BadDigest',
    message: 'The CRC32 you specified did not match the calculated checksum.',
  }
  for (const limit of [100, 3]) {
    const good = payloadOf(BYTES, right)
    expect(await read(await good.take(limit, []))).toEqual(BYTES)
    expect(good.digest('CRC32')).toBe(right.value)
    const bad = payloadOf(BYTES, wrong)
    await expect(bad.take(limit, []).then(read)).rejects.toMatchObject(refusal)
  }
})

test('a digest that was not asked for, or is asked for too early, is a fault', async () => {
  const payload = payloadOf(BYTES)
  const taken = await payload.take(0, ['md5'])
  expect(() => payload.digest('md5')).toThrow('md5')
  await read(taken)
  expect(payload.digest('md5')).toBe(digestOf('md5', BYTES))
  expect(() => payload.digest('SHA1')).toThrow('SHA1')
  await expect(payload.take(0, [])).rejects.toThrow('once')
})
