/** Small objects: signed with their SHA-256, over 1 to 64 connections. */
import { createHash } from 'node:crypto'
import { cpuOf, memoryOf } from '../harness/gateway.ts'
import type { Figures } from './figures.ts'
import { ask, type Asked, load, percentile, type Site } from './wire.ts'

export interface Server {
  readonly site: Site
  /** Its process, where it is on this machine: CPU and memory are read from it. */
  readonly pid?: number
}

/** Runs one window and reads the server's CPU before and after. */
export async function measure(
  server: Server,
  work: string,
  requests: readonly Asked[],
  connections: number,
  status: number,
): Promise<Figures> {
  const before = server.pid === undefined ? 0 : await cpuOf(server.pid)
  const { seconds, latencies } = await load(server.site, requests, connections, status)
  const cpu = server.pid === undefined ? undefined : (await cpuOf(server.pid)) - before
  return {
    work,
    perSecond: requests.length / seconds,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    ...(cpu !== undefined && { cpuUs: cpu / requests.length }),
    ...(server.pid !== undefined && { peakMB: (await memoryOf(server.pid)).peak / 1e6 }),
  }
}

export interface SmallWork {
  readonly name: string
  readonly connections: number
  readonly status: number
  requests(site: Site, round: number): Asked[]
}

const BUCKET = '/bench'

/** The windows in their order: what GET, HEAD and DELETE ask for was put by the PUT of the same size before. */
export function smallWorks(scale: number): SmallWork[] {
  const works: SmallWork[] = []
  for (const sizeBytes of [1024, 4096]) {
    const body = new Uint8Array(sizeBytes).fill(97)
    const sha256 = createHash('sha256').update(body).digest('hex')
    const empty = createHash('sha256').update('').digest('hex')
    const size = `${sizeBytes / 1024} KiB`
    for (const connections of sizeBytes === 4096 ? [1, 16, 64] : [64]) {
      const count = Math.max(64, Math.round((connections === 1 ? 2000 : 20_000) * scale))
      const path = (i: number, round: number): string =>
        `${BUCKET}/${round}/${sizeBytes}/${connections}/${String((i * 7919) % count).padStart(7, '0')}`
      const make = (method: string, status: number): SmallWork => ({
        name: `${method} ${size}, ${connections} connection${connections === 1 ? '' : 's'}`,
        connections,
        status,
        requests: (site, round) =>
          Array.from({ length: count }, (_, i) =>
            method === 'PUT'
              ? ask(site, method, path(i, round), { body, sha256 })
              : ask(site, method, path(i, round), { sha256: empty }),
          ),
      })
      works.push(make('PUT', 200), make('GET', 200), make('HEAD', 200), make('DELETE', 204))
    }
  }
  return works
}
