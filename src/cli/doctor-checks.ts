/** What `sluice doctor` looks at: each check tells what it found, or throws what is wrong in one line. */
import { X509Certificate } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { askSigned, type Target } from './signed-request.ts'

/** Oldest Node.js that runs the sources as they are; package.json says the same. */
const NODE_OLDEST: readonly [major: number, minor: number] = [22, 18]
const FREE_BYTES_MIN: number = 256 * 2 ** 20
const SYNCS = 50
/** A disk slower than this makes every PUT slow. */
const SYNC_MAX_MS = 50
const CLOCK_SKEW_MAX_MS = 2000
const EXPIRY_WARNING_DAYS = 7
const DAY_MS = 86_400_000
const GIB: number = 2 ** 30

export function checkNode(version: string = process.versions.node): string {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isNew = major > NODE_OLDEST[0] || (major === NODE_OLDEST[0] && minor >= NODE_OLDEST[1])
  if (!isNew) throw new Error(`${version} is too old: ${NODE_OLDEST.join('.')} or newer is needed`)
  return version
}

/** Free space where the folder is, or is going to be. */
export function checkSpace(folder: string): string {
  const { bavail, bsize } = statfsSync(nearestFolder(folder))
  const free = bavail * bsize
  const text = `${(free / GIB).toFixed(1)} GiB free`
  if (free < FREE_BYTES_MIN) throw new Error(`${text}: too little to work with`)
  return text
}

/** How long data takes to stable storage: the price of every durable PUT. */
export function checkSync(folder: string): string {
  return inScratch(folder, (file) => {
    const fd = openSync(file, 'w')
    const block = Buffer.alloc(4096, 1)
    const times: number[] = []
    try {
      for (let round = 0; round < SYNCS; round++) {
        const started = performance.now()
        writeSync(fd, block)
        fdatasyncSync(fd)
        times.push(performance.now() - started)
      }
    } finally {
      closeSync(fd)
    }
    const median = times.sort((a, b) => a - b)[SYNCS / 2] ?? 0
    const text = `median of ${SYNCS}: ${median.toFixed(2)} ms`
    if (median > SYNC_MAX_MS) throw new Error(`${text}: this disk makes every write slow`)
    // A real disk cannot be that quick: nothing was written to it.
    return median < 0.005 ? `${text} (nothing is really synced: a memory file system?)` : text
  })
}

/** The system's clock against that of the file system, which may be another machine's. */
export function checkClock(folder: string, now: () => number = Date.now): string {
  const skew = inScratch(folder, (file) => {
    closeSync(openSync(file, 'w'))
    return Math.round(now() - statSync(file).mtimeMs)
  })
  const text = `${new Date(now()).toISOString()}, ${skew} ms off the file system's`
  if (Math.abs(skew) > CLOCK_SKEW_MAX_MS) throw new Error(`${text}: signatures will be refused`)
  return text
}

export function checkCertificate(file: string, now: () => number = Date.now): string {
  const { validTo, subject } = new X509Certificate(readFileSync(file))
  const days = Math.floor((Date.parse(validTo) - now()) / DAY_MS)
  const text = `${subject.replaceAll('\n', ', ')}, until ${validTo}`
  if (days < 0) throw new Error(`${text}: it has expired`)
  return days < EXPIRY_WARNING_DAYS ? `${text} (only ${days} days)` : text
}

/** Whether anybody listens there. */
export function isTaken(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 })
    const end = (isOpen: boolean): void => {
      socket.destroy()
      resolve(isOpen)
    }
    socket.on('connect', () => end(true))
    socket.on('error', () => end(false))
    socket.on('timeout', () => end(false))
  })
}

/** Makes a bucket, puts an object, reads it, removes both; `name` is of a bucket that nobody has. */
export async function checkRoundTrip(target: Target, name: string): Promise<string> {
  const text = `written by sluice doctor at ${new Date().toISOString()}`
  const ask = async (
    expected: number,
    method: string,
    path: string,
    sent?: string,
  ): Promise<Buffer> => {
    const { status, body } = await askSigned(target, method, path, sent)
    if (status === expected) return body
    const code = /<Code>(\w+)<\/Code>/.exec(body.toString())?.[1] ?? ''
    throw new Error(`${method} ${path} was answered ${status} ${code}`)
  }
  const started = performance.now()
  await ask(200, 'GET', '/')
  await ask(200, 'PUT', `/${name}`)
  try {
    await ask(200, 'PUT', `/${name}/object`, text)
    const read = await ask(200, 'GET', `/${name}/object`)
    if (read.toString() !== text) throw new Error('the object came back changed')
    await ask(204, 'DELETE', `/${name}/object`)
  } finally {
    await ask(204, 'DELETE', `/${name}`)
  }
  return `listed, put, got and deleted in ${Math.round(performance.now() - started)} ms`
}

function inScratch<T>(folder: string, use: (file: string) => T): T {
  const scratch = mkdtempSync(join(nearestFolder(folder), '.sluice-doctor-'))
  try {
    return use(join(scratch, 'file'))
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** The folder, or the nearest above it that is there. */
function nearestFolder(folder: string): string {
  let at = folder
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  return at
}
