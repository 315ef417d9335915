import { expect, test } from 'vitest'
import { Blame } from './blame.ts'

test('whoever was alone with a spoiled piece is to blame', () => {
  const blame = new Blame<string>()
  blame.sent(1, 'a')
  blame.sent(1, 'a')
  blame.sent(2, 'b')
  expect(blame.spoiled(1)).toEqual(['a'])
  expect(blame.spoiled(1)).toEqual([])
})

test('of several, those who were there too often, unless a piece of theirs was right', () => {
  const blame = new Blame<string>()
  for (let piece = 0; piece < 3; piece++) {
    for (const peer of ['liar', 'honest']) blame.sent(piece, peer)
    expect(blame.spoiled(piece)).toEqual([])
  }
  blame.sent(9, 'honest')
  blame.clear(9)
  for (const peer of ['liar', 'honest']) blame.sent(4, peer)
  expect(blame.spoiled(4)).toEqual(['liar'])
})
