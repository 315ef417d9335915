import { expect, test } from 'vitest'
import { didYouMean, nearest } from './config-nearest.ts'

const WORDS = ['port', 'host', 'data', 'shutdownTimeout']

test.each([
  ['prot', 'port'],
  ['PORT', 'port'],
  ['hots', 'host'],
  ['shutdowntimout', 'shutdownTimeout'],
  ['xyz', undefined],
  ['', undefined],
  ['completely different', undefined],
])('%j means %j', (word, expected) => expect(nearest(word, WORDS)).toBe(expected))

test('a hint bears its prefix, and is empty where nothing is near', () => {
  expect(didYouMean('prot', WORDS, '--')).toBe(' (did you mean --port?)')
  expect(didYouMean('zzz', WORDS, '--')).toBe('')
})
