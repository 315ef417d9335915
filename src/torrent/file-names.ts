/**
 * Which objects the files of a torrent become: keys below the prefix that was chosen and nowhere else, no
 * two alike, and none among what the disk keeps below `.torrent/`.
 */
import { KEY_BYTES_MAX } from '../api/limits.ts'
import { type Info, TorrentError } from './metainfo.ts'
import type { InfoFile } from './info-files.ts'

/** The folder, below a torrent's prefix, of what is not an object of its own yet. */
const DISK_FOLDER = '.torrent'
/** UTF-8 bytes of a prefix: names have to fit behind it. */
const PREFIX_BYTES_MAX = 512

/** Whether a file becomes an object: pads and links do not. */
export function isObject({ isPad, link }: InfoFile): boolean {
  return !isPad && link === undefined
}

/** As it is used: '' or ending with a slash. Throws TorrentError for what makes no keys. */
export function checkedPrefix(prefix: string): string {
  if (Buffer.byteLength(prefix) > PREFIX_BYTES_MAX)
    throw new TorrentError(`a prefix has at most ${PREFIX_BYTES_MAX} bytes`)
  if (!prefix.isWellFormed() || prefix.includes('\0'))
    throw new TorrentError('the prefix is no text')
  if (prefix.split('/').includes(DISK_FOLDER))
    throw new TorrentError(
      `${DISK_FOLDER}/ is where unfinished torrents are: choose another prefix`,
    )
  return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
}

/**
 * The key of each file, by its index; undefined for what becomes no object. Throws TorrentError where a
 * key would be too long.
 */
export function keysOf(info: Info, prefix: string): readonly (string | undefined)[] {
  const folder = info.isFolder ? `${prefix}${outside(info.name)}/` : prefix
  const taken = new Set<string>()
  return info.files.map((file, index) => {
    if (!isObject(file)) return undefined
    const path = file.path.map(outside).join('/')
    const key = free(folder + path, index, taken)
    if (Buffer.byteLength(key) > KEY_BYTES_MAX)
      throw new TorrentError(
        `the key of ${file.path.join('/').slice(0, 100)}... would have more than ${KEY_BYTES_MAX} bytes: choose a shorter prefix`,
      )
    taken.add(key)
    return key
  })
}

/** No name leads into the disk's folder of this or another torrent. */
function outside(name: string): string {
  return name === DISK_FOLDER ? `_${DISK_FOLDER}` : name
}

/** Two files of one path are told apart by the index of the later one. */
function free(key: string, index: number, taken: ReadonlySet<string>): string {
  let candidate = key
  while (taken.has(candidate)) candidate = `${candidate}.${index}`
  return candidate
}

/** Which files are wanted: indices, ranges of them (`2-5`), paths, or folders (`extras/`). */
export type Choice = readonly (number | string)[]

const RANGE = /^(\d{1,9})(?:-(\d{1,9}))?$/

/** The indices that a choice names, ascending; undefined: all. Throws TorrentError for what names no file. */
export function chosenFiles(info: Info, choice: Choice | undefined): readonly number[] | undefined {
  if (choice === undefined) return undefined
  const chosen = new Set<number>()
  for (const each of choice) for (const index of named(info, String(each))) chosen.add(index)
  if (chosen.size === 0) throw new TorrentError('no file is wanted: there would be nothing to do')
  return [...chosen].sort((a, b) => a - b)
}

function named(info: Info, word: string): readonly number[] {
  const paths = info.files.map((file) => (isObject(file) ? file.path.join('/') : undefined))
  const isBelow = (path: string): boolean =>
    path === word || (word.endsWith('/') && path.startsWith(word))
  const found = paths.flatMap((path, index) => (path !== undefined && isBelow(path) ? [index] : []))
  if (found.length > 0) return found
  const [, from, to = from] = RANGE.exec(word) ?? []
  const inRange = paths.flatMap((path, index) =>
    path !== undefined && index >= Number(from) && index <= Number(to) ? [index] : [],
  )
  if (inRange.length > 0) return inRange
  throw new TorrentError(
    `the torrent has no file ${word}: name files by their index or path, such as 0, 2-5, notes.txt, extras/`,
  )
}
