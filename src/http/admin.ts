/**
 * Administration: JSON below `/_admin`, which no bucket can be called. Requests are signed as S3's are, by an
 * administrator with lasting credentials. Torrents: admin-torrents.ts. Users:
 *
 *   GET    /_admin/users                 all users, without their secrets
 *   PUT    /_admin/users/<access key>    makes or changes one; what is not said stays as it is
 *   DELETE /_admin/users/<access key>    takes one away; what it owns stays
 */
import { S3Error } from '../api/error.ts'
import type { Identity } from '../auth/authenticator.ts'
import { answerTorrents, parsed, TORRENT_BYTES_MAX, type TorrentDesk } from './admin-torrents.ts'
import type { RequestHead } from './head.ts'
import type { Rendered } from './render.ts'

export interface Administration {
  list(): readonly object[]
  put(accessKeyId: string, user: unknown): Promise<object>
  remove(accessKeyId: string): Promise<void>
}

/** No name of a bucket: underscores are none of S3's. */
const PLACE = '_admin'
const TORRENTS = 'torrents'
/** A user's document. */
const USER_BYTES_MAX: number = 64 * 1024

export function isAdminCall({ bucket }: RequestHead): boolean {
  return bucket === PLACE
}

/** Refuses everybody but administrators, by nothing but their own keys. */
export function checkAdministrator(identity: Identity | undefined): void {
  const user = identity?.user
  const isOne = user?.isAdmin === true && user.isWhole && user.session === undefined
  if (!isOne) throw new S3Error('AccessDenied')
}

/** Who answers; undefined: nobody here. */
export interface AdminDesks {
  readonly administration: Administration | undefined
  readonly torrents: TorrentDesk | undefined
}

/** Of the body of such a request, in bytes. */
export function adminBytesMax({ key = '' }: RequestHead): number {
  return key === TORRENTS ? TORRENT_BYTES_MAX : USER_BYTES_MAX
}

/** `signal` is aborted when the client goes away. */
export async function answerAdmin(
  head: RequestHead,
  body: Uint8Array,
  { administration, torrents }: AdminDesks,
  signal: () => AbortSignal,
): Promise<Rendered> {
  const [place, ...path] = (head.key ?? '').split('/')
  if (place === TORRENTS) return answerTorrents(head, path, body, torrents, signal)
  const [accessKeyId, ...rest] = path
  if (place !== 'users' || rest.length > 0) throw new S3Error('NoSuchEntity')
  if (administration === undefined) throw new S3Error('NotImplemented')
  const { method } = head
  if (method === 'GET' && accessKeyId === undefined) return json({ users: administration.list() })
  if (accessKeyId === undefined || accessKeyId === '') throw new S3Error('MethodNotAllowed')
  if (method === 'PUT') return json(await administration.put(accessKeyId, parsed(body)))
  if (method !== 'DELETE') throw new S3Error('MethodNotAllowed')
  await administration.remove(accessKeyId)
  return { status: 204, headers: [], body: undefined }
}

function json(value: object): Rendered {
  const headers = ['content-type', 'application/json', 'cache-control', 'no-store']
  return { status: 200, headers, body: JSON.stringify(value) }
}
