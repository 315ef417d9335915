import { expect, test } from 'vitest'
import type { TorrentStatus } from '../torrent/held-torrent.ts'
import { whyNot } from './torrent-admin.ts'
import { fileLine, torrentLine } from './torrent-lines.ts'

const FILM: TorrentStatus = {
  id: '3f2a90c1d2e4'.padEnd(40, '0'),
  name: 'film.mkv',
  state: 'downloading',
  problem: undefined,
  bucket: 'media',
  prefix: '',
  sizeBytes: 100 * 2 ** 20,
  haveBytes: 25 * 2 ** 20,
  pieces: 25,
  pieceCount: 100,
  files: 1,
  filesDone: 0,
  peers: 1,
  seeds: 1,
  downloadRate: 2 ** 20,
  uploadRate: 0,
  downloadedBytes: 0,
  uploadedBytes: 0,
  hashFailures: 0,
  addedAt: 0,
  doneAt: undefined,
}

test('a torrent is one line: how far, how fast, how long still', () => {
  expect(torrentLine(FILM).replaceAll(/ {2,}/g, ' ')).toBe(
    '3f2a90c1d2e4 film.mkv downloading [===== ] 25% 100.0 MiB 1.0 MiB/s 1 peer 1 min 15 s left',
  )
  expect(torrentLine({ ...FILM, state: 'waiting', problem: 'the store is full' })).toContain(
    '  the store is full',
  )
})

test('names that are anybody’s do not command the terminal', () => {
  const name = 'a\u001b[2Jb\n'
  expect(torrentLine({ ...FILM, name })).toContain('a?[2Jb?')
  const file = { index: 0, path: name, key: name, sizeBytes: 1, haveBytes: 0 }
  expect(fileLine({ ...file, isWanted: true, isDone: false })).toMatch(/wanted.*0%.*a\?\[2Jb\?$/)
})

test('what the gateway answers is told in its words', () => {
  const xml =
    '<Error><Code>InvalidRequest</Code><Message>no &lt;file&gt; &amp; more</Message></Error>'
  expect(whyNot(xml, 400)).toBe('no <file> & more')
  expect(whyNot('<Code>AccessDenied</Code>', 403)).toContain('administrators')
  expect(whyNot('', 502)).toBe('the gateway answered 502')
})
