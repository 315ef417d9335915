/**
 * The administration of torrents, JSON below `/_admin/torrents`:
 *
 *   GET    /_admin/torrents               all torrents
 *   POST   /_admin/torrents               adds one: {"torrent": "magnet:..., http(s)://..., s3://bucket/key",
 *                                         "bucket", "prefix", "files", "peers", "seed", "overwrite"}, or the
 *                                         bytes of a .torrent file with these in the query; 201, or 200
 *                                         where it is there already
 *   GET    /_admin/torrents/events        what changes, as server-sent events: `torrent` and `removed`
 *   GET    /_admin/torrents/<id>          one, with its files
 *   PATCH  /_admin/torrents/<id>          {"files": [...]}: what is wanted from now on; null: everything
 *   DELETE /_admin/torrents/<id>          removes it; with ?data=true also the objects that it has made
 *   POST   /_admin/torrents/<id>/scrub    compares what is stored, and gets what is damaged again
 */
import { S3Error } from '../api/error.ts'
import type { Body } from '../lib/stream.ts'
import type { RequestHead } from './head.ts'
import type { Rendered } from './render.ts'

/** What answers there. Everything rejects with S3Error; values are JSON. */
export interface TorrentDesk {
  list(): readonly object[]
  get(id: string): object
  /** `torrent`: the bytes of a .torrent file, where they came instead of its name. */
  add(
    request: Readonly<Record<string, unknown>>,
    torrent: Uint8Array | undefined,
  ): Promise<{ readonly isNew: boolean; readonly torrent: object }>
  change(id: string, change: Readonly<Record<string, unknown>>): Promise<object>
  remove(id: string, data: boolean): Promise<void>
  scrub(id: string): Promise<object>
  /** Server-sent events, without end. */
  events(signal: AbortSignal): Body
}

/** A .torrent file, or what names one. */
export const TORRENT_BYTES_MAX: number = 80_000_000
const EVENTS = 'events'
const JSON_TYPE = /^application\/json\b/i

/** `path`: what stands behind `/_admin/torrents`, by its slashes. */
export async function answerTorrents(
  head: RequestHead,
  path: readonly string[],
  body: Uint8Array,
  desk: TorrentDesk | undefined,
  signal: () => AbortSignal,
): Promise<Rendered> {
  if (desk === undefined)
    throw new S3Error('NotImplemented', {
      message: 'Torrents are off here: torrents.engine in the configuration turns them on.',
    })
  const { method } = head
  const [id, action, ...rest] = path
  if (rest.length > 0) throw new S3Error('NoSuchEntity')
  if (id === undefined) {
    if (method === 'GET') return json(200, { torrents: desk.list() })
    if (method === 'POST') return add(head, body, desk)
    throw new S3Error('MethodNotAllowed')
  }
  if (action === 'scrub' && method === 'POST') return json(200, await desk.scrub(id))
  if (action !== undefined) throw new S3Error('NoSuchEntity')
  if (id === EVENTS && method === 'GET') return stream(desk.events(signal()))
  if (method === 'GET') return json(200, desk.get(id))
  if (method === 'PATCH') return json(200, await desk.change(id, parsed(body)))
  if (method !== 'DELETE') throw new S3Error('MethodNotAllowed')
  await desk.remove(id, head.param('data') === 'true')
  return { status: 204, headers: [], body: undefined }
}

async function add(head: RequestHead, body: Uint8Array, desk: TorrentDesk): Promise<Rendered> {
  const isJson = JSON_TYPE.test(head.header('content-type') ?? '')
  const { isNew, torrent } = await (isJson
    ? desk.add(parsed(body), undefined)
    : desk.add(fromQuery(head), body))
  return json(isNew ? 201 : 200, torrent)
}

/** Lists are written with commas; who needs one in a name takes JSON. */
function fromQuery(head: RequestHead): Readonly<Record<string, unknown>> {
  const request: Record<string, unknown> = {}
  for (const name of ['bucket', 'prefix']) {
    const value = head.param(name)
    if (value !== undefined) request[name] = value
  }
  for (const name of ['files', 'peers']) {
    const value = head.param(name)
    if (value !== undefined) request[name] = value.split(',').filter((word) => word !== '')
  }
  for (const name of ['seed', 'overwrite']) {
    const value = head.param(name)
    if (value !== undefined) request[name] = value === 'true'
  }
  return request
}

/** A JSON object. */
export function parsed(body: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(body).toString())
  } catch {
    throw new S3Error('InvalidArgument', { message: 'The body is not JSON.' })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new S3Error('InvalidArgument', { message: 'The body is no JSON object.' })
  return value as Readonly<Record<string, unknown>>
}

function json(status: number, value: object): Rendered {
  const headers = ['content-type', 'application/json', 'cache-control', 'no-store']
  return { status, headers, body: JSON.stringify(value) }
}

function stream(body: Body): Rendered {
  const headers = ['content-type', 'text/event-stream', 'cache-control', 'no-store']
  return { status: 200, headers, body }
}
