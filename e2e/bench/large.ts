/** Large bodies: plain, with a signed hash, with a trailing checksum; and how small requests fare beside them. */
import { createHash } from 'node:crypto'
import zlib from 'node:zlib'
import { cpuOf, memoryOf } from '../harness/gateway.ts'
import type { Figures } from './figures.ts'
import type { Server } from './small.ts'
import { ask, load, percentile, Wire } from './wire.ts'

const GIB = 1024 ** 3
const BLOCK = new Uint8Array(1024 * 1024).fill(98)

export type LargePut = 'plain' | 'crc32' | 'sha256'

/** The head of a PUT of `size` bytes of BLOCK over and over. */
function putHead(server: Server, path: string, size: number, kind: LargePut): string {
  const headers: Record<string, string> = { 'Content-Length': String(size) }
  let sha256 = 'UNSIGNED-PAYLOAD'
  if (kind === 'sha256') sha256 = repeatedSha256(size)
  if (kind === 'crc32') headers['x-amz-checksum-crc32'] = repeatedCrc32(size)
  return ask(server.site, 'PUT', path, { headers, sha256 }).head
}

const known = new Map<string, string>()

function repeatedSha256(size: number): string {
  const id = `sha256 ${size}`
  let hex = known.get(id)
  if (!hex) {
    const hash = createHash('sha256')
    for (let left = size; left > 0; left -= BLOCK.length)
      hash.update(left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK)
    known.set(id, (hex = hash.digest('hex')))
  }
  return hex
}

function repeatedCrc32(size: number): string {
  const id = `crc32 ${size}`
  let text = known.get(id)
  if (!text) {
    let crc = 0
    for (let left = size; left > 0; left -= BLOCK.length)
      crc = zlib.crc32(left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK, crc)
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(crc)
    known.set(id, (text = bytes.toString('base64')))
  }
  return text
}

export async function putLarge(
  server: Server,
  path: string,
  size: number,
  kind: LargePut,
  streams = 1,
): Promise<Figures> {
  const heads = Array.from({ length: streams }, (_, i) =>
    putHead(server, `${path}-${i}`, size, kind),
  )
  const wires = await Promise.all(heads.map(() => Wire.open(server.site)))
  return windowOf(
    server,
    `PUT ${sizeName(size)} ${kind}${streams > 1 ? ` x ${streams}` : ''}`,
    size * streams,
    async () => {
      await Promise.all(
        wires.map(async (wire, i) => {
          const { status, head } = await wire.stream(heads[i]!, BLOCK, size)
          if (status !== 200) throw new Error(`PUT was answered ${status}:\n${head}`)
          wire.close()
        }),
      )
    },
  )
}

export async function getLarge(
  server: Server,
  path: string,
  size: number,
  streams = 1,
): Promise<Figures> {
  const wires = await Promise.all(Array.from({ length: streams }, () => Wire.open(server.site)))
  return windowOf(
    server,
    `GET ${sizeName(size)}${streams > 1 ? ` x ${streams}` : ''}`,
    size * streams,
    async () => {
      await Promise.all(
        wires.map(async (wire, i) => {
          const { status, bodyBytes } = await wire.send(ask(server.site, 'GET', `${path}-${i}`))
          if (status !== 200 || bodyBytes !== size)
            throw new Error(`GET was answered ${status} with ${bodyBytes} bytes`)
          wire.close()
        }),
      )
    },
  )
}

/** Latency of small GETs while `streams` large PUTs with MD5 and SHA-256 are under way. */
export async function smallBesideLarge(
  server: Server,
  smallPath: string,
  largePath: string,
  size: number,
  streams: number,
): Promise<Figures> {
  let busy = true
  const large = putLarge(server, largePath, size, 'sha256', streams).finally(() => (busy = false))
  const latencies: number[] = []
  const request = ask(server.site, 'GET', smallPath)
  while (busy) {
    const { latencies: some } = await load(
      server.site,
      Array.from({ length: 50 }, () => request),
      1,
      200,
    )
    latencies.push(...some)
  }
  await large
  const sorted = Float64Array.from(latencies).sort()
  return {
    work: `GET 4 KiB beside ${streams} large PUTs`,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    note: `${sorted.length} requests`,
  }
}

async function windowOf(
  server: Server,
  work: string,
  bytes: number,
  run: () => Promise<void>,
): Promise<Figures> {
  const before = server.pid === undefined ? 0 : await cpuOf(server.pid)
  const started = performance.now()
  await run()
  const seconds = (performance.now() - started) / 1000
  const cpu = server.pid === undefined ? undefined : (await cpuOf(server.pid)) - before
  return {
    work,
    megabytesPerSecond: bytes / 1e6 / seconds,
    ...(cpu !== undefined && { cpuPerGiB: cpu / 1e6 / (bytes / GIB) }),
    ...(server.pid !== undefined && { peakMB: (await memoryOf(server.pid)).peak / 1e6 }),
  }
}

export function sizeName(size: number): string {
  return size >= GIB ? `${size / GIB} GiB` : `${size / 1024 ** 2} MiB`
}
