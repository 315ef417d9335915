/** What a store that writes files does to the disk, and all that it does: so that a test can fail or stop any of it. */
import { close, fdatasync, ftruncate, open, write } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { open as openHandle } from 'node:fs/promises'
import { promisify } from 'node:util'

export interface Disk {
  /** A new file (`wx+`), or one that is there (`r+`). */
  open(file: string, flags: 'wx+' | 'r+'): Promise<number>
  /** All of the bytes, at that position. */
  write(fd: number, bytes: Uint8Array, position: number): Promise<void>
  truncate(fd: number, sizeBytes: number): Promise<void>
  /** Resolves once the file's bytes and size are on stable storage. */
  datasync(fd: number): Promise<void>
  close(fd: number): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Nothing where there is no such file. */
  remove(file: string): Promise<void>
  /** Makes durable which names the folder has. */
  syncFolder(folder: string): Promise<void>
}

const FILE_MODE = 0o600

const openFd = promisify(open)
const truncateFd = promisify(ftruncate)
const closeFd = promisify(close)
const datasyncFd = promisify(fdatasync)

export const DISK: Disk = {
  open: (file, flags) => openFd(file, flags, FILE_MODE),
  write: writeAll,
  truncate: (fd, sizeBytes) => truncateFd(fd, sizeBytes),
  datasync: (fd) => datasyncFd(fd),
  close: (fd) => closeFd(fd),
  rename: (from, to) => rename(from, to),
  remove: (file) => rm(file, { force: true }),
  async syncFolder(folder) {
    await using handle = await openHandle(folder, 'r')
    await handle.sync()
  },
}

function writeAll(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let done = 0
    const next = (): void => {
      write(fd, bytes, done, bytes.length - done, position + done, (error, count) => {
        if (error) return reject(error)
        done += count
        if (done === bytes.length) resolve()
        else next()
      })
    }
    next()
  })
}

/** The errors of a disk, or a share of it, that has no room. */
export function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG'
}
