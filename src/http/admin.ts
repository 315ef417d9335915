/**
 * The administration of users: JSON at `/_admin/users`, which no bucket can be called. Requests are signed as S3's are,
 * by an administrator with lasting credentials.
 *
 *   GET    /_admin/users                 all users, without their secrets
 *   PUT    /_admin/users/<access key>    makes or changes one; what is not said stays as it is
 *   DELETE /_admin/users/<access key>    takes one away; what it owns stays
 */
import { S3Error } from '../api/error.ts'
import type { Identity } from '../auth/authenticator.ts'
import type { RequestHead } from './head.ts'
import type { Rendered } from './render.ts'

export interface Administration {
  list(): readonly object[]
  put(accessKeyId: string, user: unknown): Promise<object>
  remove(accessKeyId: string): Promise<void>
}

/** No name of a bucket: underscores are none of S3's. */
const PLACE = '_admin'
/** A user's document. */
export const ADMIN_BYTES_MAX: number = 64 * 1024

export function isAdminCall({ bucket }: RequestHead): boolean {
  return bucket === PLACE
}

/** Refuses everybody but administrators, by nothing but their own keys. */
export function checkAdministrator(identity: Identity | undefined): void {
  const user = identity?.user
  const isOne = user?.isAdmin === true && user.isWhole && user.session === undefined
  if (!isOne) throw new S3Error('AccessDenied')
}

export async function answerAdmin(
  { method, key }: RequestHead,
  body: Uint8Array,
  administration: Administration,
): Promise<Rendered> {
  const [place, accessKeyId, ...rest] = (key ?? '').split('/')
  if (place !== 'users' || rest.length > 0) throw new S3Error('NoSuchEntity')
  if (method === 'GET' && accessKeyId === undefined) return json({ users: administration.list() })
  if (accessKeyId === undefined || accessKeyId === '') throw new S3Error('MethodNotAllowed')
  if (method === 'PUT') return json(await administration.put(accessKeyId, parsed(body)))
  if (method !== 'DELETE') throw new S3Error('MethodNotAllowed')
  await administration.remove(accessKeyId)
  return { status: 204, headers: [], body: undefined }
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString())
  } catch {
    throw new S3Error('InvalidArgument', { message: 'The body is not JSON.' })
  }
}

function json(value: object): Rendered {
  const headers = ['content-type', 'application/json', 'cache-control', 'no-store']
  return { status: 200, headers, body: JSON.stringify(value) }
}
