/** Bearer tokens of the control plane. */
import { hash, timingSafeEqual } from 'node:crypto'

/** Whether the Authorization header bears the token; compares in a time that tells nothing of it, its length included. */
export function isBearer(authorization: string, token: string): boolean {
  const given = hash('sha256', authorization, 'buffer')
  return timingSafeEqual(given, hash('sha256', `Bearer ${token}`, 'buffer'))
}
