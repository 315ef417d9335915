/**
 * Names out of a torrent, which anybody may have written, to names that are safe as a part of a path or
 * of a key: never empty, never `.` or `..`, without separators and control characters, and not too long.
 */

/** Bytes of UTF-8 of one part of a path: what file systems allow. */
const NAME_BYTES_MAX = 240

// oxlint-disable-next-line no-control-regex
const UNSAFE = /[/\\\0-\x1f\x7f]/g
/** What turns the direction of text around, to make `exe.txt` out of `txt.exe`. */
const DIRECTION = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** The name, or the nearest that is safe. */
export function safeName(name: string): string {
  const clean = name.replace(UNSAFE, '_').replace(DIRECTION, '')
  if (clean === '' || clean === '.' || clean === '..') return '_'
  return shortened(clean)
}

/** Cut in the middle of a name, so that its extension stays. */
function shortened(name: string): string {
  if (Buffer.byteLength(name) <= NAME_BYTES_MAX) return name
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : ''
  const room = NAME_BYTES_MAX - Buffer.byteLength(extension)
  let kept = ''
  let bytes = 0
  for (const character of name) {
    bytes += Buffer.byteLength(character)
    if (bytes > room) break
    kept += character
  }
  return kept + extension
}
