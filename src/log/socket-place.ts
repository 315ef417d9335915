/**
 * The path of a server's socket. A socket that a server left behind when it was killed is taken away; one at
 * which a server answers is left alone, whoever else is starting at the same moment.
 */
import { once } from 'node:events'
import { linkSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { StoreLocked } from '../lib/store-error.ts'

/** What fits into the address of a socket on all systems, with the ending that it has at first. */
const PATH_BYTES_MAX = 90
/** Servers that may start there at the same moment. */
const TRIES_MAX = 10

export class SocketPlace {
  readonly #path: string
  readonly #inode: number

  private constructor(path: string, inode: number) {
    this.#path = path
    this.#inode = inode
  }

  /** Has the server listen there; only this user can connect. */
  static async take(server: Server, path: string): Promise<SocketPlace> {
    if (Buffer.byteLength(path) > PATH_BYTES_MAX)
      throw new RangeError(`The path of a socket has at most ${PATH_BYTES_MAX} bytes: ${path}`)
    const own = `${path}.${process.pid}`
    rmSync(own, { force: true })
    const mask = process.umask(0o177)
    try {
      server.listen(own)
    } finally {
      process.umask(mask)
    }
    await once(server, 'listening')
    try {
      for (let tries = 0; tries < TRIES_MAX; tries++) {
        if (isLinked(own, path)) return new SocketPlace(path, statSync(own).ino)
        await clear(path, `${own}.old`)
      }
      throw new StoreLocked(`${path} is in use by another server`)
    } catch (error) {
      server.close()
      throw error
    } finally {
      rmSync(own, { force: true })
    }
  }

  /** Takes the socket away, unless it is another server's by now. */
  release(): void {
    if (statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode)
      rmSync(this.#path, { force: true })
  }
}

function isLinked(own: string, path: string): boolean {
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Removes a socket at which nobody answers. Moved aside first, so that it is none that is made just now. */
async function clear(path: string, aside: string): Promise<void> {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new StoreLocked(`${path} is no socket: nothing was touched`)
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const isInUse = await answers(aside)
  if (isInUse) isLinked(aside, path)
  rmSync(aside, { force: true })
  if (isInUse) throw new StoreLocked(`${path} is in use by another server`)
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
