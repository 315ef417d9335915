/** Directories that are there after a power failure too. */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import path from 'node:path'

/** Makes the directory and those above it that are missing, for the owner alone, and syncs their names. */
export function makeDirectory(name: string): void {
  const directory = path.resolve(name)
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = directory; made.length >= first.length; made = path.dirname(made))
    syncDirectory(path.dirname(made))
}

/** The names in the directory are on stable storage once this returns. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
