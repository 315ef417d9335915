/** Torrents as lines for a terminal. */
import type { FileStatus, TorrentStatus } from '../torrent/held-torrent.ts'
import { bytesText, counted, durationText } from './progress-bar.ts'

const BAR_WIDTH = 20
const NAME_WIDTH = 36
const ID_WIDTH = 12
const STATE_WIDTH = 11

/** `3f2a90c1d2e4  film.mkv   downloading [=====     ]  52%  1.2 GiB  3.1 MiB/s  7 peers  6 min left` */
export function torrentLine(torrent: TorrentStatus): string {
  const { id, name, state, problem, sizeBytes, haveBytes, downloadRate, uploadRate, peers } =
    torrent
  const words = [
    id.slice(0, ID_WIDTH),
    fitted(name, NAME_WIDTH),
    state.padEnd(STATE_WIDTH),
    bar(haveBytes, sizeBytes),
    bytesText(sizeBytes),
  ]
  if (state === 'downloading') {
    words.push(`${bytesText(downloadRate)}/s`, counted(peers, 'peer'))
    if (downloadRate > 0) words.push(`${durationText((sizeBytes - haveBytes) / downloadRate)} left`)
  }
  if (state === 'seeding') words.push(`${bytesText(uploadRate)}/s up`, counted(peers, 'peer'))
  if (problem !== undefined) words.push(plain(problem))
  return words.join('  ')
}

export function fileLine(file: FileStatus): string {
  const { index, path, sizeBytes, haveBytes, isWanted, isDone } = file
  const state = isDone ? 'done' : isWanted ? 'wanted' : 'not wanted'
  const words = [String(index).padStart(5), state.padEnd(10), bar(haveBytes, sizeBytes)]
  return [...words, bytesText(sizeBytes).padStart(10), plain(path)].join('  ')
}

function bar(have: number, size: number): string {
  const share = size === 0 ? 1 : Math.min(1, have / size)
  const filled = Math.floor(share * BAR_WIDTH)
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  return `[${'='.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}] ${percent}`
}

function fitted(text: string, width: number): string {
  const clean = plain(text)
  const cut = clean.length > width ? `${clean.slice(0, width - 3)}...` : clean
  return cut.padEnd(width)
}

/** Names are anybody's: they must not be able to command the terminal. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?')
}
