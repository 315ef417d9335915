/**
 * The path of a server's socket: held by one server at a time, from before it listens until it has ended. A
 * socket that a server left behind when it was killed is taken away; what is not of ours is left alone.
 */
import { once } from 'node:events'
import { lstatSync, rmSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { type FolderLock, lockFile } from '../lib/folder-lock.ts'
import { StoreLocked } from '../lib/store-error.ts'

/** What fits into the address of a socket on all systems. */
export const SOCKET_PATH_BYTES_MAX = 100

export class SocketPlace implements Disposable {
  readonly #path: string
  readonly #lock: FolderLock

  private constructor(path: string, lock: FolderLock) {
    this.#path = path
    this.#lock = lock
  }

  /** `StoreLocked` where another server has it, or something else stands there: then nothing was touched. */
  static async hold(path: string): Promise<SocketPlace> {
    if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX)
      throw new RangeError(
        `The path of a socket has at most ${SOCKET_PATH_BYTES_MAX} bytes: ${path}`,
      )
    const lock = lockFile(path)
    try {
      await clear(path)
      return new SocketPlace(path, lock)
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /** Only this user can connect. The socket goes when the server closes. */
  async listen(server: Server): Promise<void> {
    const mask = process.umask(0o177)
    try {
      server.listen(this.#path)
    } finally {
      process.umask(mask)
    }
    await once(server, 'listening')
  }

  [Symbol.dispose](): void {
    this.#lock.release()
  }
}

async function clear(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket())
    throw new StoreLocked(`${path} is there, and no socket: nothing was touched`)
  if (await answers(path)) throw new StoreLocked(`${path} is in use by another program`)
  rmSync(path, { force: true })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}
