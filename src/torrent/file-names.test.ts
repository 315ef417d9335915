import { expect, test } from 'vitest'
import { bencode, type Encodable } from './bencode.ts'
import { checkedPrefix, chosenFiles, keysOf } from './file-names.ts'
import { type Info, TorrentError } from './metainfo.ts'
import { readInfo } from './read-metainfo.ts'

function infoOf(name: string, paths: readonly (readonly string[])[]): Info {
  const files = paths.map((path): Encodable => ({ length: 10, path }))
  return readInfo(bencode({ name, 'piece length': 16_384, files, pieces: new Uint8Array(20) }))
}

test('files stand below prefix and name, whatever a torrent calls them', () => {
  const info = infoOf('../..', [['a'], ['..', '..', 'etc'], ['/abs/olute'], ['x', '.', 'y']])
  const keys = keysOf(info, 'in/')
  expect(keys).toEqual(['in/.._../a', 'in/.._../_/_/etc', 'in/.._../_abs_olute', 'in/.._../x/_/y'])
})

test('no file leads into the folder of the disk, of this or another torrent', () => {
  expect(keysOf(infoOf('.torrent', [['a'], ['b']]), '')).toEqual(['_.torrent/a', '_.torrent/b'])
  expect(keysOf(infoOf('x', [['.torrent', 'a']]), '')).toEqual(['x/_.torrent/a'])
  expect(() => checkedPrefix('a/.torrent/b')).toThrow(TorrentError)
})

test('two files of one path become two objects', () => {
  const keys = keysOf(infoOf('x', [['a'], ['a'], ['a']]), '')
  expect(new Set(keys).size).toBe(3)
})

test('a key that would be too long is refused, with what to do', () => {
  const deep = infoOf('x', [Array.from({ length: 10 }, () => 'n'.repeat(200))])
  expect(() => keysOf(deep, '')).toThrow('choose a shorter prefix')
  expect(() => checkedPrefix('p'.repeat(513))).toThrow('512 bytes')
})

test('a prefix is a folder', () => {
  expect(checkedPrefix('')).toBe('')
  expect(checkedPrefix('a/b')).toBe('a/b/')
  expect(checkedPrefix('a/b/')).toBe('a/b/')
})

test('files are chosen by index, range, path and folder; what names none is refused', () => {
  const info = infoOf('x', [['a'], ['b', 'c'], ['b', 'd'], ['7']])
  expect(chosenFiles(info, undefined)).toBeUndefined()
  expect(chosenFiles(info, [0, '2-3'])).toEqual([0, 2, 3])
  expect(chosenFiles(info, ['b/', 'a'])).toEqual([0, 1, 2])
  expect(chosenFiles(info, ['b/c'])).toEqual([1])
  expect(chosenFiles(info, ['7'])).toEqual([3])
  for (const word of ['b', '4', 'x', '../a', '3-2'])
    expect(() => chosenFiles(info, [word]), word).toThrow(TorrentError)
})
