/** One question of rights, and its answer; authorize.ts tells the order of the rules. */
import type { Resource } from '../api/access.ts'
import type { BucketFacts, Facts, ObjectFacts } from '../api/facts.ts'
import { grants } from './access-list.ts'
import { BUCKET_PERMISSIONS, KEY_ACTIONS, OBJECT_PERMISSIONS } from './actions.ts'
import type { BucketPolicy } from './bucket-policies.ts'
import { evaluate, type Policy, type Question, type Verdict } from './policy.ts'
import { type Asker, RequestContext } from './request-context.ts'
import { accountOf, type User } from './user.ts'

/** `denied`: a policy says so. `ungranted`: nothing says otherwise. */
export type Ruling = 'granted' | 'denied' | 'ungranted'

/** What a handler knows and the request's head does not. */
export interface Further {
  /** Tags that the body brings. */
  readonly requestTags?: Readonly<Record<string, string>> | undefined
  /** Of a key that is asked after: what S3 takes for the prefix. */
  readonly prefix?: string | undefined
}

export interface Case {
  readonly facts: Facts
  readonly nowMs: number
  readonly region: string
  readonly asker: Asker
  readonly action: string
  readonly resource: Resource
  readonly further: Further
  readonly bucket: BucketFacts
  readonly policy: BucketPolicy | undefined
}

/** The owner of a bucket can always get rid of its policy (S3, "Bucket policies"). */
const OWNERS_OWN: ReadonlySet<string> = new Set([
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
])

/** Who began an upload may always see and end it. */
const INITIATORS_OWN: ReadonlySet<string> = new Set([
  's3:AbortMultipartUpload',
  's3:ListMultipartUploadParts',
])

export class Judgement {
  readonly #case: Case
  readonly #user: User | undefined
  #object: Promise<ObjectFacts | undefined> | undefined

  constructor(given: Case) {
    this.#case = given
    this.#user = given.asker.identity?.user
  }

  async rule(): Promise<Ruling> {
    const { bucket, policy, action } = this.#case
    const user = this.#user
    const question = await this.#question()
    const own = userVerdict(user, question)
    const stated = policy === undefined ? 'none' : evaluate(policy.policy, question)
    if (own === 'deny') return 'denied'
    const isOwner = user !== undefined && (user.isAdmin || user.requester.id === bucket.owner[0])
    if (stated === 'deny' && !(isOwner && user.isWhole && OWNERS_OWN.has(action))) return 'denied'
    if (isOwner) return (await this.#isOwners(own, stated)) ? 'granted' : 'ungranted'
    // A user of another account needs both: what its own account gives it, and what the bucket's does.
    if (own !== 'allow') return 'ungranted'
    if (await this.#isAllowedByPolicy(stated)) return 'granted'
    return (await this.#isAllowedByList()) ? 'granted' : 'ungranted'
  }

  async #question(): Promise<Question> {
    const { action, resource, asker, further, bucket, policy, nowMs, region } = this.#case
    const readsTags = policy?.policy.readsTags === true || this.#user?.readsTags === true
    const object = readsTags && KEY_ACTIONS.has(action) ? await this.#readObject() : undefined
    const context = new RequestContext(asker, {
      action,
      versionId: resource.versionId,
      existingTags: object?.tags ?? {},
      requestTags: further.requestTags,
      prefix: further.prefix,
      resourceAccount: accountOf(bucket.owner[0]),
      nowMs,
      region,
    })
    return { principal: this.#user?.names, action, resource: arnOf(resource), context }
  }

  async #isOwners(own: Verdict, stated: Verdict): Promise<boolean> {
    const isForeign = this.#opensObjects() && (await this.#isForeignObject())
    if (isForeign) return own === 'allow' && this.#isAllowedByList()
    // Of one account's own users the bucket may let one in by name.
    return own === 'allow' || (stated === 'allow' && this.#user?.session === undefined)
  }

  async #isAllowedByPolicy(stated: Verdict): Promise<boolean> {
    if (stated !== 'allow' && stated !== 'delegated') return false
    const { bucket, policy } = this.#case
    if (bucket.block?.restrict !== undefined && policy?.isPublic === true) return false
    // A bucket's policy gives away what is the bucket owner's.
    return !(this.#opensObjects() && (await this.#isForeignObject()))
  }

  /** The action is on an object that is there, and of which the bucket may hold some of others. */
  #opensObjects(): boolean {
    const { action, bucket } = this.#case
    return (
      bucket.shared === 1 &&
      bucket.ownership !== 'BucketOwnerEnforced' &&
      OBJECT_PERMISSIONS.has(action)
    )
  }

  async #isForeignObject(): Promise<boolean> {
    const object = await this.#readObject()
    return object !== undefined && object.owner !== this.#case.bucket.owner[0]
  }

  async #isAllowedByList(): Promise<boolean> {
    const { action, bucket, facts, resource, asker } = this.#case
    const userId = this.#user?.requester.id
    if (INITIATORS_OWN.has(action) && userId !== undefined && resource.key !== undefined) {
      const uploadId = asker.request.param('uploadId') ?? ''
      if ((await facts.initiator(resource.bucket, resource.key, uploadId)) === userId) return true
    }
    if (bucket.ownership === 'BucketOwnerEnforced') return false
    const ignorePublic = bucket.block?.ignoreAcls !== undefined
    const permission = BUCKET_PERMISSIONS.get(action)
    if (permission !== undefined)
      return bucket.acl !== undefined && grants(bucket.acl, permission, userId, ignorePublic)
    const wanted = OBJECT_PERMISSIONS.get(action)
    if (wanted === undefined) return false
    const object = await this.#readObject()
    // That it is not there only those may learn who may list the bucket.
    if (object === undefined)
      return bucket.acl !== undefined && grants(bucket.acl, 'READ', userId, ignorePublic)
    if (object.owner === userId && (object.acl === undefined || wanted.endsWith('_ACP')))
      return true
    return object.acl !== undefined && grants(object.acl, wanted, userId, ignorePublic)
  }

  #readObject(): Promise<ObjectFacts | undefined> {
    const { facts, resource } = this.#case
    this.#object ??=
      resource.key === undefined
        ? Promise.resolve(undefined)
        : facts.object(resource.bucket, resource.key, resource.versionId)
    return this.#object
  }
}

/** What the user's own policies and the session's say; who has none may do what the account may. */
export function userVerdict(user: User | undefined, question: Question): Verdict {
  if (user === undefined || user.isWhole) return 'allow'
  const own = user.policies === undefined ? 'allow' : together(user.policies, question)
  const limits = user.session?.policies ?? []
  const session = limits.length === 0 ? 'allow' : together(limits, question)
  if (own === 'deny' || session === 'deny') return 'deny'
  return own === 'allow' && session === 'allow' ? 'allow' : 'none'
}

function together(policies: readonly Policy[], question: Question): Verdict {
  let verdict: Verdict = 'none'
  for (const policy of policies) {
    const said = evaluate(policy, question)
    if (said === 'deny') return 'deny'
    if (said === 'allow') verdict = 'allow'
  }
  return verdict
}

export function arnOf({
  bucket,
  key,
}: {
  readonly bucket: string
  readonly key?: string | undefined
}): string {
  return key === undefined ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`
}
