/**
 * What one request says under the keys of conditions. A key has a value only for actions that it is
 * meant for, and only from where the operation itself takes it: what the operation ignores says nothing.
 */
import { MODEL } from '../api/model.gen.ts'
import { readShape } from '../api/model.ts'
import type { Identity } from './authenticator.ts'
import { KEY_OF_HEADER } from './condition-keys.ts'
import type { Context } from './policy-pattern.ts'

/** A request, as far as rights depend on it. */
export interface AskedRequest {
  /** Decoded: the same that is stored by. */
  readonly bucket: string | undefined
  readonly key: string | undefined
  /** The first value of a header; the name in lower case. */
  header(name: string): string | undefined
  /** A header (or what stands for it in a presigned URL) as the parser of inputs takes it: one that is empty says nothing. */
  effective(name: string): string | undefined
  /** The first value of a query parameter, decoded. */
  param(name: string): string | undefined
}

/** Who asks what, and from where. */
export interface Asker {
  readonly operation: string | undefined
  readonly request: AskedRequest
  readonly identity: Identity | undefined
  readonly remoteAddress: string
  readonly isSecure: boolean
}

/** What the request is judged for: its own operation, or something that a handler asks for besides. */
export interface Subject {
  readonly action: string
  readonly versionId: string | undefined
  /** Tags of the object that is there. */
  readonly existingTags: Readonly<Record<string, string>>
  /** Tags that the body brings; undefined: those of the header. */
  readonly requestTags: Readonly<Record<string, string>> | undefined
  /** Instead of the parameter: for a key that somebody asks after. */
  readonly prefix: string | undefined
  /** Account of the bucket's owner. */
  readonly resourceAccount: string | undefined
  readonly nowMs: number
  readonly region: string
}

const LISTS: ReadonlySet<string> = new Set([
  's3:ListBucket',
  's3:ListBucketVersions',
  's3:ListBucketMultipartUploads',
])
const LIST_KEYS: ReadonlySet<string> = new Set(['prefix', 'delimiter', 'max-keys'])
const EXISTING_TAG = 's3:existingobjecttag/'
const REQUEST_TAG = 's3:requestobjecttag/'
/** Of PutObjectLegalHold and the like, as of the requests that set them by a header. */
const LOCK_HEADERS: ReadonlySet<string> = new Set([
  'object-lock-mode',
  'object-lock-retain-until-date',
  'object-lock-legal-hold',
])
const DAY_MS = 86_400_000

export class RequestContext implements Context {
  readonly #asker: Asker
  readonly #subject: Subject
  #requestTags: Readonly<Record<string, string>> | undefined

  constructor(asker: Asker, subject: Subject) {
    this.#asker = asker
    this.#subject = subject
  }

  get(key: string): string | readonly string[] | undefined {
    return key.startsWith('s3:') ? this.#ofS3(key) : this.#global(key)
  }

  #global(key: string): string | undefined {
    const { identity, request, remoteAddress, isSecure } = this.#asker
    const { nowMs, region, resourceAccount } = this.#subject
    const user = identity?.user
    switch (key) {
      case 'aws:sourceip':
        return remoteAddress
      case 'aws:securetransport':
        return String(isSecure)
      case 'aws:referer':
        return request.header('referer')
      case 'aws:useragent':
        return request.header('user-agent')
      case 'aws:currenttime':
        return new Date(nowMs).toISOString()
      case 'aws:epochtime':
        return String(Math.floor(nowMs / 1000))
      case 'aws:requestedregion':
        return region
      case 'aws:resourceaccount':
        return resourceAccount
      case 'aws:username':
        return user?.requester.displayName
      case 'aws:userid':
        return user?.requester.id
      case 'aws:principalarn':
        return user?.arn
      case 'aws:principalaccount':
        return user?.account
      case 'aws:principaltype':
        if (user === undefined) return 'Anonymous'
        if (user.session !== undefined) return 'AssumedRole'
        return user.policies === undefined ? 'Account' : 'User'
      case 'aws:principalisawsservice':
      case 'aws:viaawsservice':
        return 'false'
      case 'aws:tokenissuetime':
        return user?.session && new Date(user.session.issuedMs).toISOString()
      default:
        return undefined
    }
  }

  #ofS3(key: string): string | readonly string[] | undefined {
    const { existingTags, versionId, resourceAccount, action } = this.#subject
    if (key.startsWith(EXISTING_TAG)) return ownValue(existingTags, key.slice(EXISTING_TAG.length))
    if (key.startsWith(REQUEST_TAG))
      return ownValue(this.requestTags, key.slice(REQUEST_TAG.length))
    const header = KEY_OF_HEADER.get(key)
    if (header !== undefined) return this.#header(header)
    const name = key.slice('s3:'.length)
    if (LIST_KEYS.has(name)) return LISTS.has(action) ? this.#listParameter(name) : undefined
    if (LOCK_HEADERS.has(name)) return this.#header(`x-amz-${name}`)
    switch (name) {
      case 'requestobjecttagkeys':
        return Object.keys(this.requestTags)
      case 'versionid':
        return versionId
      case 'resourceaccount':
        return resourceAccount
      case 'if-match':
      case 'if-none-match':
        return this.#header(name)
      case 'object-lock-remaining-retention-days':
        return this.#remainingDays()
      case 'authtype':
        return this.#asker.identity?.authType
      case 'signatureversion':
        return this.#asker.identity?.signatureVersion
      case 'signatureage':
        return this.#signatureAge()
      default:
        return undefined
    }
  }

  #listParameter(name: string): string | undefined {
    if (name === 'prefix' && this.#subject.prefix !== undefined) return this.#subject.prefix
    return this.#asker.request.param(name)
  }

  #header(name: string): string | undefined {
    const { operation, request } = this.#asker
    return operation !== undefined && headersOf(operation).has(name)
      ? request.effective(name)
      : undefined
  }

  #remainingDays(): string | undefined {
    const until = Date.parse(this.#header('x-amz-object-lock-retain-until-date') ?? '')
    if (Number.isNaN(until)) return undefined
    return String(Math.ceil((until - this.#subject.nowMs) / DAY_MS))
  }

  #signatureAge(): string | undefined {
    const signed = this.#asker.identity?.signedMs
    return signed === undefined ? undefined : String(Math.max(0, this.#subject.nowMs - signed))
  }

  get requestTags(): Readonly<Record<string, string>> {
    this.#requestTags ??=
      this.#subject.requestTags ?? parseTags(this.#header('x-amz-tagging') ?? '')
    return this.#requestTags
  }
}

function ownValue(record: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

/** `a=1&b=2`, as the header bears tags: UTF-8 that came as latin1, percent-encoded. What is wrong with it the operation says. */
function parseTags(text: string): Readonly<Record<string, string>> {
  const pairs = text.split('&').flatMap((pair): [string, string][] => {
    const [key = '', ...value] = pair
      .split('=')
      .map((part) => Buffer.from(part.replaceAll('+', ' '), 'latin1').toString())
    try {
      return pair === '' ? [] : [[decodeURIComponent(key), decodeURIComponent(value.join('='))]]
    } catch {
      return []
    }
  })
  return Object.fromEntries(pairs)
}

const headers = new Map<string, ReadonlySet<string>>()

/** Headers that an operation of the model reads. */
function headersOf(operation: string): ReadonlySet<string> {
  let known = headers.get(operation)
  if (known === undefined) {
    const { members } = readShape(MODEL.shapes[MODEL.operations[operation]?.input ?? ''] ?? '')
    const names = Object.values(members).flatMap(({ place, wire }) =>
      place === 'header' ? [wire] : [],
    )
    known = new Set(names).add('x-amz-content-sha256')
    headers.set(operation, known)
  }
  return known
}
