/**
 * Who is known here: access keys with their secrets, and the users whom they stand for. Can be replaced
 * as a whole while requests come in; what was verified by a key that has changed counts no more.
 */
import type { People } from '../api/people.ts'
import type { Policy } from './policy.ts'
import { makeUser, type User } from './user.ts'

export interface Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Canonical user id of the owner. */
  readonly userId: string
  readonly displayName: string
  /** By which grants of access control lists may name the user. */
  readonly email?: string | undefined
  /** See `User`. Absent: not. */
  readonly isAdmin?: boolean | undefined
  /** What of its user's rights the key has; absent: all of them. */
  readonly policies?: readonly Policy[] | undefined
}

export interface Owner {
  readonly secretAccessKey: string
  readonly user: User
}

export class Users implements People {
  #owners: ReadonlyMap<string, Owner> = new Map()
  #names: ReadonlyMap<string, string> = new Map()
  #emails: ReadonlyMap<string, readonly [id: string, displayName: string]> = new Map()
  #generation = 0

  /** Throws `Error` where an access key is given twice or is not usable. */
  constructor(credentials: readonly Credential[]) {
    this.replace(credentials)
  }

  /** Grows with every change. */
  get generation(): number {
    return this.#generation
  }

  /** All at once; throws as the constructor does, and changes nothing then. */
  replace(credentials: readonly Credential[]): void {
    const owners = new Map<string, Owner>()
    const names = new Map<string, string>()
    const emails = new Map<string, readonly [string, string]>()
    for (const credential of credentials) {
      const { accessKeyId, secretAccessKey, userId: id, displayName, email } = credential
      checkUsable(credential)
      if (owners.has(accessKeyId)) throw new Error(`the access key ${accessKeyId} is given twice`)
      const { isAdmin = false, policies } = credential
      const user = makeUser({ id, displayName, isAdmin, policies })
      owners.set(accessKeyId, { secretAccessKey, user })
      if (!names.has(id)) names.set(id, displayName)
      if (email !== undefined) emails.set(email.toLowerCase(), [id, displayName])
    }
    this.#owners = owners
    this.#names = names
    this.#emails = emails
    this.#generation++
  }

  /** Whose access key it is; undefined: nobody's here. */
  owner(accessKeyId: string): Owner | undefined {
    return this.#owners.get(accessKeyId)
  }

  name(id: string): string | undefined {
    return this.#names.get(id)
  }

  byEmail(email: string): readonly [id: string, displayName: string] | undefined {
    return this.#emails.get(email.toLowerCase())
  }
}

function checkUsable({ accessKeyId, secretAccessKey }: Credential): void {
  if (!/^[\x21-\x7e]{1,128}$/.test(accessKeyId) || /[/,=]/.test(accessKeyId)) {
    throw new Error(
      `the access key ${JSON.stringify(accessKeyId)} is not usable: 1 to 128 visible ASCII characters, none of "/", "," and "="`,
    )
  }
  if (secretAccessKey === '') throw new Error(`the access key ${accessKeyId} has no secret`)
}
