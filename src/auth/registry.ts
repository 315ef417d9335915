/**
 * The users of configuration and those that an administrator makes meanwhile, as one: a change is
 * durable before it counts, and counts before it is answered. What configuration says nobody changes here.
 */
import { randomBytes } from 'node:crypto'
import { S3Error } from '../api/error.ts'
import type { Policy } from './policy.ts'
import { parsePolicy } from './policy-parse.ts'
import type { Credential, Users } from './users.ts'

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** Where users are kept. */
export interface UserStore {
  read(): Promise<ReadonlyMap<string, Json>>
  write(accessKeyId: string, document: Json): Promise<void>
}

/** What an administrator may say of a user, and what is kept of it. */
interface UserDocument {
  readonly secretAccessKey: string
  readonly displayName: string
  readonly userId: string
  readonly email?: string
  readonly admin?: boolean
  /** Names of configured policies and groups. */
  readonly policies?: readonly string[]
  readonly groups?: readonly string[]
  /** A policy of its own. */
  readonly policy?: Json
}

/** Without its secret. */
export type ShownUser = Omit<UserDocument, 'secretAccessKey'> & {
  readonly accessKeyId: string
  readonly source: 'configuration' | 'administration'
}

export interface RegistryOptions {
  readonly users: Users
  readonly store: UserStore
  /** Of the configuration. */
  readonly credentials: readonly Credential[]
  readonly policies: ReadonlyMap<string, string>
  readonly groups: ReadonlyMap<string, readonly string[]>
  /** Canonical id of who is given none. */
  readonly idOf: (displayName: string) => string
}

export class Registry {
  readonly #options: RegistryOptions
  #made: ReadonlyMap<string, UserDocument> = new Map()

  constructor(options: RegistryOptions) {
    this.#options = options
  }

  /** Takes over what is kept: at the start, and for what other gateways have changed. */
  async reload(): Promise<void> {
    const kept = await this.#options.store.read()
    this.#apply(
      new Map([...kept].map(([key, document]) => [key, document as unknown as UserDocument])),
    )
  }

  list(): readonly ShownUser[] {
    const configured = this.#options.credentials.map(
      ({ accessKeyId, displayName, userId, email, isAdmin }): ShownUser => ({
        accessKeyId,
        source: 'configuration',
        displayName,
        userId,
        ...(email !== undefined && { email }),
        ...(isAdmin === true && { admin: true }),
      }),
    )
    const made = [...this.#made].map(
      ([accessKeyId, { secretAccessKey: _secret, ...user }]): ShownUser => ({
        accessKeyId,
        source: 'administration',
        ...user,
      }),
    )
    return [...configured, ...made]
  }

  /** Makes or replaces a user; the answer tells the secret where it was made here. Rejects with InvalidArgument. */
  async put(accessKeyId: string, asked: unknown): Promise<Readonly<Record<string, string>>> {
    this.#refuseConfigured(accessKeyId)
    if (!/^[A-Za-z0-9_.-]{3,128}$/.test(accessKeyId) || accessKeyId.startsWith('ASIA'))
      throw invalid(
        'accessKeyId',
        'has 3 to 128 letters, digits, "_", "." and "-", and does not begin with ASIA',
      )
    const fields = checked(asked)
    const before = this.#made.get(accessKeyId)
    const displayName = fields.displayName ?? before?.displayName
    if (displayName === undefined) throw invalid('displayName', 'is missing')
    const isNew = fields.secretAccessKey === undefined && before === undefined
    const secretAccessKey =
      fields.secretAccessKey ?? before?.secretAccessKey ?? randomBytes(30).toString('base64url')
    const userId = fields.userId ?? before?.userId ?? this.#options.idOf(displayName)
    const document: UserDocument = { ...before, ...fields, displayName, secretAccessKey, userId }
    // Judged before it is kept: it must never be that a user is kept whom nobody can make a user of.
    this.#credential(accessKeyId, document)
    await this.#options.store.write(accessKeyId, document as unknown as Json)
    this.#apply(new Map(this.#made).set(accessKeyId, document))
    return isNew ? { accessKeyId, secretAccessKey } : { accessKeyId }
  }

  /** Rejects with NoSuchEntity. */
  async remove(accessKeyId: string): Promise<void> {
    this.#refuseConfigured(accessKeyId)
    if (!this.#made.has(accessKeyId)) throw new S3Error('NoSuchEntity')
    await this.#options.store.write(accessKeyId, null)
    const rest = new Map(this.#made)
    rest.delete(accessKeyId)
    this.#apply(rest)
  }

  #refuseConfigured(accessKeyId: string): void {
    if (this.#options.credentials.some((credential) => credential.accessKeyId === accessKeyId))
      throw new S3Error('EntityAlreadyExists', {
        message: `The access key ${accessKeyId} is the configuration's, and is changed there.`,
      })
  }

  /** A user that is kept and no longer makes sense (a policy has left the configuration) may do nothing. */
  #apply(made: ReadonlyMap<string, UserDocument>): void {
    const { users, credentials } = this.#options
    const configured = new Set(credentials.map(({ accessKeyId }) => accessKeyId))
    const further: Credential[] = []
    for (const [accessKeyId, document] of made) {
      if (configured.has(accessKeyId)) continue
      try {
        further.push(this.#credential(accessKeyId, document))
      } catch {
        continue
      }
    }
    this.#made = made
    users.replace([...credentials, ...further])
  }

  #credential(accessKeyId: string, document: UserDocument): Credential {
    const { secretAccessKey, userId, displayName, email, admin } = document
    const policies = this.#policies(document)
    return { accessKeyId, secretAccessKey, userId, displayName, email, isAdmin: admin, policies }
  }

  #policies({ policies, groups, policy }: UserDocument): readonly Policy[] | undefined {
    if (policies === undefined && groups === undefined && policy === undefined) return undefined
    const names = new Set(policies)
    for (const group of groups ?? []) {
      const members = this.#options.groups.get(group)
      if (members === undefined) throw invalid('groups', `there is no group ${group}`)
      for (const name of members) names.add(name)
    }
    const texts = [...names].map((name) => {
      const text = this.#options.policies.get(name)
      if (text === undefined) throw invalid('policies', `there is no policy ${name}`)
      return text
    })
    if (policy !== undefined) texts.push(JSON.stringify(policy))
    return texts.map((text) => parsePolicy(text, { bucket: undefined }))
  }
}

const isText = (value: unknown): boolean =>
  typeof value === 'string' && value !== '' && value.length <= 256
const isNames = (value: unknown): boolean =>
  Array.isArray(value) && value.length <= 100 && value.every(isText)

const FIELDS: Readonly<
  Record<keyof UserDocument, readonly [is: (value: unknown) => boolean, what: string]>
> = {
  secretAccessKey: [
    (value) => isText(value) && (value as string).length >= 8,
    'has 8 to 256 characters',
  ],
  displayName: [
    (value) => isText(value) && (value as string).length <= 64,
    'has 1 to 64 characters',
  ],
  userId: [
    (value) => isText(value) && /^[A-Za-z0-9$_.-]{1,128}$/.test(value as string),
    'has 1 to 128 letters, digits, "$", "_", "." and "-"',
  ],
  email: [
    (value) => isText(value) && /^[^\s@]+@[^\s@]+$/.test(value as string),
    'is an e-mail address',
  ],
  admin: [(value) => typeof value === 'boolean', 'is true or false'],
  policies: [isNames, 'is a list of names'],
  groups: [isNames, 'is a list of names'],
  policy: [(value) => typeof value === 'object' && value !== null, 'is a policy of IAM’s language'],
}

/** What was said of a user, with nothing that is not understood. */
function checked(asked: unknown): Partial<UserDocument> {
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked))
    throw invalid('user', 'is an object of JSON')
  for (const [name, value] of Object.entries(asked)) {
    const rule = Object.hasOwn(FIELDS, name) ? FIELDS[name as keyof UserDocument] : undefined
    if (rule === undefined) throw invalid(name, 'is not known here')
    if (!rule[0](value)) throw invalid(name, rule[1])
  }
  return asked
}

function invalid(name: string, what: string): S3Error {
  return new S3Error('InvalidArgument', {
    message: `${name} ${what}`,
    fields: { ArgumentName: name },
  })
}
