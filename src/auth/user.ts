/** Who a credential stands for, as far as rights depend on it. */
import { hash } from 'node:crypto'
import type { Requester } from '../api/operations.ts'
import type { Policy, PrincipalNames } from './policy.ts'

export interface User {
  readonly requester: Requester
  /** 12 digits; users that share a canonical id are of one account. */
  readonly account: string
  readonly arn: string
  readonly names: PrincipalNames
  /** May do whatever the owner of a bucket may, with every bucket, and administer the users. */
  readonly isAdmin: boolean
  /** What of the account's rights this user has; undefined: all of them. */
  readonly policies: readonly Policy[] | undefined
  /** Of temporary credentials: what of the user's rights they have; undefined: all of them. */
  readonly session: Session | undefined
  /** Has all rights of its account: no policies limit it. */
  readonly isWhole: boolean
  /** A policy of its own asks for tags that an object has. */
  readonly readsTags: boolean
}

export interface Session {
  readonly name: string
  /** Epoch milliseconds. */
  readonly issuedMs: number
  /** Empty: no limits but the user's own. */
  readonly policies: readonly Policy[]
}

export interface UserSettings {
  readonly id: string
  readonly displayName: string
  readonly isAdmin: boolean
  readonly policies: readonly Policy[] | undefined
}

/** An account's number, made of its canonical id; AWS's are 12 digits too. */
export function accountOf(id: string): string {
  const digits = BigInt(`0x${hash('sha256', `sluice account ${id}`, 'hex').slice(0, 16)}`)
  return String(digits % 1_000_000_000_000n).padStart(12, '0')
}

/**
 * A user with all names that policies may call it by: AWS's own forms, and those without an account
 * that self-hosters write (`arn:aws:iam:::user/reader`).
 */
export function makeUser({ id, displayName, isAdmin, policies }: UserSettings): User {
  const account = accountOf(id)
  const arn = `arn:aws:iam::${account}:user/${displayName}`
  const accountNames = [account, `arn:aws:iam::${account}:root`, `arn:aws:iam::${id}:root`]
  const own = [
    `canonical:${id}`,
    arn,
    `arn:aws:iam::${account}:user/${id}`,
    `arn:aws:iam:::user/${displayName}`,
    `arn:aws:iam:::user/${id}`,
  ]
  // A canonical id is the account's: a user with less than its rights is not meant by it alone.
  const names =
    policies === undefined
      ? { own: [...own, ...accountNames], account: [] }
      : { own: own.slice(1), account: [own[0]!, ...accountNames] }
  return {
    requester: { id, displayName },
    account,
    arn,
    names,
    isAdmin,
    policies,
    session: undefined,
    isWhole: policies === undefined,
    readsTags: policies?.some((policy) => policy.readsTags) === true,
  }
}

/** The same user with temporary credentials. */
export function inSession(user: User, session: Session): User {
  const arn = `arn:aws:sts::${user.account}:assumed-role/${user.requester.displayName}/${session.name}`
  const isWhole = user.isWhole && session.policies.length === 0
  const names = { own: [...user.names.own, arn], account: user.names.account }
  const readsTags = user.readsTags || session.policies.some((policy) => policy.readsTags)
  return { ...user, arn, names, session, isWhole, readsTags }
}
