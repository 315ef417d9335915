/** What access control lists grant (S3, "Access control list (ACL) overview"). */
import type { AccessList } from '../api/facts.ts'

const GROUPS = 'http://acs.amazonaws.com/groups/'
export const ALL_USERS: string = `${GROUPS}global/AllUsers`
export const AUTHENTICATED_USERS: string = `${GROUPS}global/AuthenticatedUsers`

/**
 * Whether a list gives that permission to a user (undefined: anonymous). `ignorePublic`: grants to
 * everybody count for nothing.
 */
export function grants(
  list: AccessList,
  permission: string,
  userId: string | undefined,
  ignorePublic: boolean,
): boolean {
  return list.grants.some(
    ([granted, kind, who]) =>
      (granted === permission || granted === 'FULL_CONTROL') &&
      isMeant(kind, who, userId, ignorePublic),
  )
}

function isMeant(
  kind: string,
  who: string,
  userId: string | undefined,
  ignorePublic: boolean,
): boolean {
  if (kind === 'id') return who === userId
  if (kind !== 'uri' || ignorePublic) return false
  return who === ALL_USERS || (who === AUTHENTICATED_USERS && userId !== undefined)
}
