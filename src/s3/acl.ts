/**
 * Access control lists: said as a canned name, as grant headers or as a document; kept as grants.
 *
 * A list that says no more than the default (the owner has FULL_CONTROL) is not kept. What lists grant is
 * judged in src/auth. Sources: "Access control list (ACL) overview" and PutObjectAcl of the S3 reference.
 */
import type { AccessControlPolicy, Grant, Grantee, Owner } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import { GRANTS_MAX } from '../api/limits.ts'
import type { People } from '../api/people.ts'
import type { Context } from './context.ts'
import type { StoredAcl, StoredGrant } from './rows.ts'

type Who = readonly [id: string, displayName: string]

/** What a request may say of access beside a document. */
export interface AclInput {
  readonly ACL?: string | undefined
  readonly GrantFullControl?: string | undefined
  readonly GrantRead?: string | undefined
  readonly GrantReadACP?: string | undefined
  readonly GrantWrite?: string | undefined
  readonly GrantWriteACP?: string | undefined
}

const GROUPS = 'http://acs.amazonaws.com/groups/'
const ALL_USERS = `${GROUPS}global/AllUsers`
const AUTHENTICATED_USERS = `${GROUPS}global/AuthenticatedUsers`
/** S3's own service for access logs. */
export const LOG_DELIVERY: string = `${GROUPS}s3/LogDelivery`
const GROUP_URIS: ReadonlySet<string> = new Set([ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY])
/** The account that `aws-exec-read` lets in: EC2, which fetches machine images. */
const EC2 = '6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c'

const PERMISSIONS: ReadonlySet<string> = new Set([
  'FULL_CONTROL',
  'READ',
  'READ_ACP',
  'WRITE',
  'WRITE_ACP',
])

/** True where the request says anything of access in its headers. */
export function namesAcl(input: AclInput): boolean {
  return input.ACL !== undefined || hasGrants(input)
}

function hasGrants(input: AclInput): boolean {
  return (
    input.GrantFullControl !== undefined ||
    input.GrantRead !== undefined ||
    input.GrantReadACP !== undefined ||
    input.GrantWrite !== undefined ||
    input.GrantWriteACP !== undefined
  )
}

/**
 * The list that a request's headers ask for, for something of `owner` in a bucket of `bucketOwner`;
 * undefined for the default. Rejects canned and explicit together (InvalidRequest), unknown names and
 * malformed grants (InvalidArgument).
 */
export function aclFromHeaders(
  input: AclInput,
  owner: Who,
  bucketOwner: Who,
): StoredAcl | undefined {
  if (!hasGrants(input)) {
    if (input.ACL === undefined || input.ACL === 'private') return undefined
    return { owner, grants: cannedGrants(input.ACL, owner, bucketOwner) }
  }
  if (input.ACL !== undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'Specifying both Canned ACLs and Header Grants is not allowed',
    })
  }
  const grants = [
    ...headerGrants('READ', input.GrantRead),
    ...headerGrants('WRITE', input.GrantWrite),
    ...headerGrants('READ_ACP', input.GrantReadACP),
    ...headerGrants('WRITE_ACP', input.GrantWriteACP),
    ...headerGrants('FULL_CONTROL', input.GrantFullControl),
  ]
  checkCount(grants.length)
  return { owner, grants }
}

function cannedGrants(name: string, owner: Who, bucketOwner: Who): readonly StoredGrant[] {
  const own = grantTo('FULL_CONTROL', owner)
  const isBucketOwners = owner[0] === bucketOwner[0]
  switch (name) {
    case 'public-read':
      return [own, ['READ', 'uri', ALL_USERS]]
    case 'public-read-write':
      return [own, ['READ', 'uri', ALL_USERS], ['WRITE', 'uri', ALL_USERS]]
    case 'authenticated-read':
      return [own, ['READ', 'uri', AUTHENTICATED_USERS]]
    case 'aws-exec-read':
      return [own, ['READ', 'id', EC2]]
    case 'bucket-owner-read':
      return isBucketOwners ? [own] : [own, grantTo('READ', bucketOwner)]
    case 'bucket-owner-full-control':
      return isBucketOwners ? [own] : [own, grantTo('FULL_CONTROL', bucketOwner)]
    case 'log-delivery-write':
      return [own, ['WRITE', 'uri', LOG_DELIVERY], ['READ_ACP', 'uri', LOG_DELIVERY]]
    default:
      throw new S3Error('InvalidArgument', {
        fields: { ArgumentName: 'x-amz-acl', ArgumentValue: name },
      })
  }
}

function grantTo(permission: string, [id, displayName]: Who): StoredGrant {
  return [permission, 'id', id, displayName]
}

/** `id="…"`, `uri=…` or `emailAddress="…"`; several are separated by commas. */
const GRANTEE = /^\s*(id|uri|emailAddress)\s*=\s*(?:"([^"]*)"|([^",]*))\s*$/i

function headerGrants(permission: string, header: string | undefined): readonly StoredGrant[] {
  if (header === undefined) return []
  return header.split(',').map((item): StoredGrant => {
    const match = GRANTEE.exec(item)
    const who = (match?.[2] ?? match?.[3] ?? '').trim()
    if (match === null || who === '') {
      throw new S3Error('InvalidArgument', {
        message: 'Argument format not recognized',
        fields: {
          ArgumentName: `x-amz-grant-${permission.toLowerCase().replace('_', '-')}`,
          ArgumentValue: header,
        },
      })
    }
    switch (match[1]!.toLowerCase()) {
      case 'id':
        return [permission, 'id', who]
      case 'uri':
        return [permission, 'uri', checkedGroup(who)]
      default:
        return [permission, 'email', who]
    }
  })
}

function checkedGroup(uri: string): string {
  if (GROUP_URIS.has(uri)) return uri
  throw new S3Error('InvalidArgument', {
    message: 'Invalid group uri',
    fields: { ArgumentName: 'uri', ArgumentValue: uri },
  })
}

/**
 * The list of a document, for what belongs to `owner`. Rejects a document that is not whole
 * (MalformedACLError) and one that names another owner (AccessDenied: ownership is not given away).
 */
export function aclFromDocument(policy: AccessControlPolicy, owner: Who): StoredAcl {
  const named = policy.Owner?.ID
  if (named === undefined) throw new S3Error('MalformedACLError')
  if (named !== owner[0]) throw new S3Error('AccessDenied')
  const grants = policy.Grants ?? []
  checkCount(grants.length)
  return { owner, grants: grants.map(documentGrant) }
}

function documentGrant({ Grantee: grantee, Permission: permission }: Grant): StoredGrant {
  if (grantee === undefined || permission === undefined || !PERMISSIONS.has(permission)) {
    throw new S3Error('MalformedACLError')
  }
  const { Type, ID, URI, EmailAddress, DisplayName } = grantee
  if (ID !== undefined && (Type === 'CanonicalUser' || Type === undefined)) {
    return DisplayName === undefined ? [permission, 'id', ID] : [permission, 'id', ID, DisplayName]
  }
  if (URI !== undefined && (Type === 'Group' || Type === undefined)) {
    return [permission, 'uri', checkedGroup(URI)]
  }
  if (EmailAddress !== undefined && (Type === 'AmazonCustomerByEmail' || Type === undefined)) {
    return [permission, 'email', EmailAddress]
  }
  throw new S3Error('MalformedACLError')
}

function checkCount(count: number): void {
  if (count > GRANTS_MAX) {
    throw new S3Error('MalformedACLError', { message: `More than ${GRANTS_MAX} grants` })
  }
}

/**
 * The list that a Put*Acl request asks for, in headers or in a document; undefined for the default.
 * Rejects both at once (UnexpectedContent) and neither (MissingSecurityHeader).
 */
export function requestedAcl(
  input: AclInput & { readonly AccessControlPolicy?: AccessControlPolicy | undefined },
  owner: Who,
  bucketOwner: Who,
): StoredAcl | undefined {
  const policy = input.AccessControlPolicy
  if (namesAcl(input)) {
    if (policy !== undefined) throw new S3Error('UnexpectedContent')
    return aclFromHeaders(input, owner, bucketOwner)
  }
  if (policy === undefined) {
    throw new S3Error('MissingSecurityHeader', { fields: { MissingHeaderName: 'x-amz-acl' } })
  }
  return aclFromDocument(policy, owner)
}

/**
 * The same list with its grantees known by their ids. Rejects e-mail addresses that are nobody's
 * (UnresolvableGrantByEmailAddress) and ids that are nobody's (InvalidArgument).
 */
export function resolveAcl(people: People, acl: StoredAcl | undefined): StoredAcl | undefined {
  if (acl === undefined) return undefined
  return { ...acl, grants: acl.grants.map((grant) => resolveGrant(people, acl.owner, grant)) }
}

function resolveGrant(people: People, owner: Who, grant: StoredGrant): StoredGrant {
  const [permission, kind, who] = grant
  if (kind === 'uri' || who === EC2) return grant
  if (kind === 'email') {
    const found = people.byEmail(who)
    if (found !== undefined) return grantTo(permission, found)
    throw new S3Error('UnresolvableGrantByEmailAddress')
  }
  const name = who === owner[0] ? owner[1] : people.name(who)
  if (name !== undefined) return grantTo(permission, [who, name])
  throw new S3Error('InvalidArgument', {
    message: 'Invalid id',
    fields: { ArgumentName: 'CanonicalUser/ID', ArgumentValue: who },
  })
}

/** Whether a list lets in everybody, or everybody who has an account. */
export function isPublicAcl(acl: StoredAcl | undefined): boolean {
  return (
    acl?.grants.some(
      ([, kind, who]) => kind === 'uri' && (who === ALL_USERS || who === AUTHENTICATED_USERS),
    ) === true
  )
}

/** Whether a bucket's list lets others than the owner put objects into it. */
export function opensToWriters(acl: StoredAcl | undefined): boolean {
  return (
    acl?.grants.some(
      ([permission, , who]) =>
        (permission === 'WRITE' || permission === 'FULL_CONTROL') && who !== acl.owner[0],
    ) === true
  )
}

/** What Get*Acl answers for a kept list, or for none. Before `compat: aws-2026` groups are shown first. */
export function shownAcl(
  { options: { compat } }: Context,
  acl: StoredAcl | undefined,
  owner: Who,
): { Owner: Owner; Grants: Grant[] } {
  const { owner: kept, grants } = acl ?? { owner, grants: [grantTo('FULL_CONTROL', owner)] }
  return {
    Owner: { ID: kept[0], DisplayName: kept[1] },
    Grants: (compat === 'legacy' ? groupsFirst(grants) : grants).map(
      ([permission, kind, who, displayName]) => ({
        Grantee: shownGrantee(kind, who, displayName),
        Permission: permission as NonNullable<Grant['Permission']>,
      }),
    ),
  }
}

function groupsFirst(grants: readonly StoredGrant[]): readonly StoredGrant[] {
  const isGroup = ([, kind]: StoredGrant): boolean => kind === 'uri'
  return [...grants.filter(isGroup), ...grants.filter((grant) => !isGroup(grant))]
}

function shownGrantee(kind: StoredGrant[1], who: string, displayName: string | undefined): Grantee {
  switch (kind) {
    case 'id':
      return displayName === undefined
        ? { Type: 'CanonicalUser', ID: who }
        : { Type: 'CanonicalUser', ID: who, DisplayName: displayName }
    case 'uri':
      return { Type: 'Group', URI: who }
    default:
      return { Type: 'AmazonCustomerByEmail', EmailAddress: who }
  }
}
