import { array, assert, asyncProperty, constantFrom, nat, record, string } from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { S3Error } from '../api/error.ts'
import { deleteObjects } from './delete-objects.ts'
import { CALL, countShares, Fixture } from './s3.fixture.ts'

const KEYS = ['a', 'a/', 'a/b', 'é', 'A'] as const
const ACTS = ['put', 'put if none', 'copy', 'delete', 'delete both', 'read', 'sweep'] as const

const steps = array(
  record({
    act: constantFrom(...ACTS),
    key: constantFrom(...KEYS),
    other: constantFrom(...KEYS),
    // Some fit into the row, others become blobs.
    body: string({ maxLength: 40, unit: 'grapheme-ascii' }),
    at: nat(50),
  }),
  { maxLength: 40 },
)

function code(error: S3Error): string {
  return error.code
}

type Step = Parameters<typeof take>[2]

/** What the step answers: of S3, and of a map. Both are to be the same. */
async function take(
  f: Fixture,
  map: Map<string, string>,
  step: { act: (typeof ACTS)[number]; key: string; other: string; body: string; at: number },
): Promise<readonly [got: unknown, expected: unknown]> {
  const { act, key, other, body, at } = step
  const before = map.get(key)
  switch (act) {
    case 'put':
      map.set(key, body)
      return [await f.put(key, body).then(() => 'ok'), 'ok']
    case 'put if none': {
      if (before === undefined) map.set(key, body)
      const put = f.put(key, body, { IfNoneMatch: '*' }).then(() => 'ok', code)
      return [await put, before === undefined ? 'ok' : 'PreconditionFailed']
    }
    case 'copy': {
      const copied = f.copy(`b/${encodeURIComponent(key)}`, other).then(() => 'ok', code)
      if (before === undefined) return [await copied, 'NoSuchKey']
      map.set(other, before)
      return [await copied, key === other ? 'InvalidRequest' : 'ok']
    }
    case 'delete':
      map.delete(key)
      return [await f.delete(key).then(() => 'ok'), 'ok']
    case 'delete both': {
      for (const gone of [key, other]) map.delete(gone)
      const Objects = [{ Key: key }, { Key: other }]
      const { Errors } = await deleteObjects(f.ctx)({ Bucket: 'b', Delete: { Objects } }, CALL)
      return [Errors, []]
    }
    case 'read': {
      const end = at + 9
      const got = await f.text(key, { Range: `bytes=${at}-${end}` }).catch(code)
      if (before === undefined) return [got, 'NoSuchKey']
      return [got, at < before.length ? before.slice(at, end + 1) : 'InvalidRange']
    }
    default:
      await f.sweep().run(false)
      return [await f.text(key).catch(code), before ?? 'NoSuchKey']
  }
}

test('any sequence of operations on several keys answers as a map would, and leaves nothing behind', async () => {
  await assert(
    asyncProperty(steps, async (sequence: readonly Step[]) => {
      const f = new Fixture(new MemoryStore(), new MemoryStorage())
      await f.bucket()
      const map = new Map<string, string>()
      for (const step of sequence) {
        const [got, expected] = await take(f, map, step)
        expect(got).toEqual(expected)
      }
      for (const [key, body] of map) expect(await f.text(key)).toBe(body)
      for (const key of KEYS) await f.delete(key)
      await f.sweep().run(false)
      expect(await f.blobs()).toEqual([])
      expect(await countShares(f.ctx.metadata)).toBe(0)
    }),
    { numRuns: 100 },
  )
})

test('writers at once on one key leave one of their objects, whole, and the blob of no other', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
  const bodies = Array.from({ length: 50 }, (_, n) => `writer ${n} `.repeat(5))
  await Promise.all(bodies.map((body) => f.put('k', body)))
  expect(bodies).toContain(await f.text('k'))
  await f.sweep().run(false)
  expect(await f.blobs()).toHaveLength(1)
})
