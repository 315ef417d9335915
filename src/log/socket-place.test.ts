import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { SocketPlace } from './socket-place.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sluice-socket-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function newServer(): Server {
  const server = createServer((socket) => socket.destroy())
  onTestFinished(() => {
    server.close()
  })
  return server
}

/** A socket that a process left behind when it was killed. */
function leaveBehind(place: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(place)}, () => process.kill(process.pid, 'SIGKILL'))`
  try {
    execFileSync(process.execPath, ['-e', script])
  } catch {
    // It was killed.
  }
  expect(statSync(place).isSocket()).toBe(true)
}

async function listening(at: string): Promise<Server> {
  const place = await SocketPlace.hold(at)
  const server = newServer()
  onTestFinished(() => place[Symbol.dispose]())
  await place.listen(server)
  return server
}

test('a socket is for this user alone, and goes with its server', async () => {
  const at = path.join(folder, 'socket')
  using place = await SocketPlace.hold(at)
  for (let round = 0; round < 2; round++) {
    const server = newServer()
    await place.listen(server)
    expect(statSync(at).mode & 0o777).toBe(0o600)
    server.close()
    await once(server, 'close')
    expect(existsSync(at)).toBe(false)
  }
})

test('one at which a server listens is left alone', async () => {
  const at = path.join(folder, 'socket')
  await listening(at)
  const { ino } = statSync(at)
  await expect(listening(at)).rejects.toMatchObject({
    name: 'StoreLocked',
    message: `${at} is in use by process ${process.pid}`,
  })
  expect(statSync(at).ino).toBe(ino)
})

test('one of another program is left alone', async () => {
  const at = path.join(folder, 'socket')
  const other = newServer().listen(at)
  await once(other, 'listening')
  const { ino } = statSync(at)
  await expect(listening(at)).rejects.toMatchObject({
    name: 'StoreLocked',
    message: `${at} is in use by another program`,
  })
  expect(statSync(at).ino).toBe(ino)
})

test('one that was left behind is taken over, by one of all that start at once', async () => {
  const at = path.join(folder, 'socket')
  leaveBehind(at)
  const places = await Promise.allSettled(Array.from({ length: 8 }, () => listening(at)))
  expect(places.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('a file of another kind is not touched', async () => {
  const at = path.join(folder, 'socket')
  writeFileSync(at, 'mine')
  const link = path.join(folder, 'link')
  symlinkSync(path.join(folder, 'nowhere'), link)
  for (const place of [at, link])
    await expect(listening(place)).rejects.toMatchObject({
      name: 'StoreLocked',
      message: expect.stringContaining('no socket') as string,
    })
  expect(readFileSync(at, 'utf8')).toBe('mine')
})

test('a path that no address can hold is refused in words', async () => {
  const at = path.join(folder, 'x'.repeat(100))
  await expect(listening(at)).rejects.toThrow(/at most 100 bytes/)
})
