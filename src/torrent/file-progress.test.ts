import { expect, test } from 'vitest'
import { FileProgress } from './file-progress.ts'
import { content, made } from './session.fixture.ts'

const { info } = (
  await made({ a: content(50_000), b: content(10), c: Buffer.alloc(0), d: content(100_000, 2) })
).metainfo

test('a piece makes whole the files that lacked nothing else', () => {
  const progress = new FileProgress(info, new Uint8Array(0))
  const whole: string[] = []
  for (const piece of [4, 1, 3, 0, 2])
    for (const file of progress.add(piece))
      whole.push(`${piece}:${info.files[file]!.path.join('/')}`)
  expect(whole).toEqual(['1:b', '0:a', '2:d'])
  expect(info.files.every((_, file) => progress.isWhole(file))).toBe(true)
  expect(info.files.map((_, file) => progress.bytesOf(file))).toEqual(
    info.files.map(({ sizeBytes }) => sizeBytes),
  )
})

test('what is lost makes files less than whole again, and counts back', () => {
  const progress = new FileProgress(info, new Uint8Array([0xff]))
  expect(progress.pieces).toBe(5)
  expect(progress.remove(1).map((file) => info.files[file]!.path[0])).toEqual(['a', 'b', 'd'])
  expect(progress.remove(1)).toEqual([])
  expect(progress.add(1)).toHaveLength(3)
  expect(progress.add(1)).toEqual([])
  expect([...progress.have()]).toEqual([0xf8])
})

test('pieces of a file are those that it has bytes in; an empty one has none', () => {
  const progress = new FileProgress(info, new Uint8Array(0))
  const spans = info.files.map((_, file) => progress.piecesOf(file))
  expect(spans[0]).toEqual({ first: 0, end: 2 })
  const empty = info.files.findIndex(({ sizeBytes }) => sizeBytes === 0)
  expect(spans[empty]).toEqual({ first: 0, end: 0 })
  expect(progress.isWhole(empty)).toBe(true)
})
