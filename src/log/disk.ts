/** What the engine `segment` does to the disk, and all that it does: so that a test can fail or stop any of it. */
import { fstatSync, readdirSync, readSync, writeSync } from 'node:fs'
import { DISK, type Disk } from '../lib/disk.ts'
import { type FolderLock, lockFolder } from '../lib/folder-lock.ts'

/** Up to so many bytes are written on the loop: it takes less of it than to have them written elsewhere. */
const WRITE_ON_LOOP_MAX: number = 64 * 1024

export interface LogDisk extends Disk {
  /** `StoreLocked` while another process has the folder. */
  lock(folder: string): FolderLock
  /** Names in the folder. */
  list(folder: string): string[]
  sizeOf(fd: number): number
  /** Fills `into` from that position on, as far as the file goes; answers how many bytes. */
  read(fd: number, into: Uint8Array, position: number): number
}

export const LOG_DISK: LogDisk = {
  ...DISK,
  lock: lockFolder,
  list: (folder) => readdirSync(folder),
  sizeOf: (fd) => fstatSync(fd).size,
  read: readAll,
  async write(fd, bytes, position) {
    if (bytes.length > WRITE_ON_LOOP_MAX) return DISK.write(fd, bytes, position)
    for (let done = 0; done < bytes.length;)
      done += writeSync(fd, bytes, done, bytes.length - done, position + done)
  },
}

function readAll(fd: number, into: Uint8Array, position: number): number {
  let done = 0
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}
