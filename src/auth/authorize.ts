/**
 * Whether a request may do what it asks: IAM's rules over what src/s3 tells of buckets and objects.
 *
 * In this order: an explicit Deny (of the bucket's policy, the user's, the session's) wins. A session
 * has no more than its policies give. The bucket's owner may do everything with it that the user's own
 * policies allow, but read an object that belongs to somebody else. Others may do what their own
 * policies and the bucket's policy, or an access control list, allow.
 *
 * The owner of a bucket without a policy is answered at once, from a row that is at hand.
 */
import type { Resource } from '../api/access.ts'
import { S3Error } from '../api/error.ts'
import type { BucketFacts, Facts } from '../api/facts.ts'
import type { OperationName } from '../api/operations.ts'
import type { Clock } from '../lib/ids.ts'
import {
  BUCKET_NEEDS,
  HEADER_NEEDS,
  isImplied,
  type Needs,
  NEEDS,
  OBJECT_PERMISSIONS,
} from './actions.ts'
import { BucketPolicies } from './bucket-policies.ts'
import { arnOf, type Further, Judgement, type Ruling, userVerdict } from './judgement.ts'
import { type Asker, RequestContext } from './request-context.ts'
import type { User } from './user.ts'

export interface AuthorizerOptions {
  readonly facts: Facts
  readonly clock: Clock
  readonly region: string
  readonly compat: 'legacy' | 'aws-2026'
}

const NOTHING: Further = {}

export class Authorizer {
  readonly #facts: Facts
  readonly #clock: Clock
  readonly #region: string
  readonly #isStrict: boolean
  readonly #policies: BucketPolicies

  constructor({ facts, clock, region, compat }: AuthorizerOptions) {
    this.#facts = facts
    this.#clock = clock
    this.#region = region
    this.#isStrict = compat === 'aws-2026'
    this.#policies = new BucketPolicies(facts)
  }

  /**
   * May the request do its operation? Undefined: yes, at once. A promise rejects with AccessDenied where
   * not, and with NoSuchBucket.
   */
  check(operation: string, asker: Asker, further: Further = NOTHING): Promise<void> | undefined {
    const needs = NEEDS[operation as OperationName]
    if (needs.on === 'root') return this.#checkRoot(needs, asker)
    const bucket = this.#facts.bucket(asker.request.bucket ?? '')
    if (!(bucket instanceof Promise) && ownsPlainly(bucket, asker.identity?.user, needs.action))
      return undefined
    return this.#checkAll(needs, asker, bucket, further)
  }

  /** May the asker do this besides? */
  may(
    asker: Asker,
    action: string,
    resource: Resource,
    further: Further = NOTHING,
  ): boolean | Promise<boolean> {
    const bucket = this.#facts.bucket(resource.bucket)
    if (!(bucket instanceof Promise) && ownsPlainly(bucket, asker.identity?.user, action))
      return true
    const mayImply = !this.#isStrict && isImplied(asker.operation, action)
    return this.#rule(asker, action, resource, bucket, further).then(
      (ruling) => ruling === 'granted' || (mayImply && ruling === 'ungranted'),
    )
  }

  /** Whether the asker may learn that a key is not there: S3 tells that to who may list the bucket. */
  mayMiss(asker: Asker, { bucket, key }: Resource): boolean | Promise<boolean> {
    return this.may(asker, 's3:ListBucket', { bucket }, { prefix: key })
  }

  async #checkAll(
    needs: Needs,
    asker: Asker,
    bucket: BucketFacts | Promise<BucketFacts>,
    further: Further,
  ): Promise<void> {
    const facts = bucket instanceof Promise ? await bucket : bucket
    if (needs.isFree || ownsPlainly(facts, asker.identity?.user, needs.action)) return
    const resource = resourceOf(needs, asker)
    const action = resource.versionId === undefined ? needs.action : needs.version
    let ruling = await this.#rule(asker, action, resource, facts, further)
    if (ruling === 'ungranted' && (await this.#mayMissIt(asker, action, resource, facts)))
      ruling = 'granted'
    if (ruling !== 'granted') throw new S3Error('AccessDenied')
    for (const also of needs.also) await this.#require(asker, also, resource, facts, further, true)
    await this.#checkHeaders(asker, resource, facts, further)
  }

  /** Reading what is not there fails anyhow; who may list the bucket is told that it is not there. */
  async #mayMissIt(
    asker: Asker,
    action: string,
    resource: Resource,
    bucket: BucketFacts,
  ): Promise<boolean> {
    if (resource.key === undefined || OBJECT_PERMISSIONS.get(action) !== 'READ') return false
    const { key, versionId } = resource
    if ((await this.#facts.object(resource.bucket, key, versionId)) !== undefined) return false
    const whole = { bucket: resource.bucket }
    const ruling = await this.#rule(asker, 's3:ListBucket', whole, bucket, { prefix: key })
    return ruling === 'granted'
  }

  /** What the request's headers ask for beside the operation. */
  async #checkHeaders(
    asker: Asker,
    resource: Resource,
    bucket: BucketFacts,
    further: Further,
  ): Promise<void> {
    const { operation = '', request } = asker
    for (const { operations, header, action, isImplied } of HEADER_NEEDS) {
      if (!operations.has(operation) || request.effective(header) === undefined) continue
      await this.#require(asker, action, resource, bucket, further, this.#isStrict || !isImplied)
    }
  }

  /** `fully` false: it is enough that nothing denies it. */
  async #require(
    asker: Asker,
    action: string,
    resource: Resource,
    bucket: BucketFacts,
    further: Further,
    fully: boolean,
  ): Promise<void> {
    const ruling = await this.#rule(asker, action, resource, bucket, further)
    if (ruling === 'denied' || (fully && ruling !== 'granted')) throw new S3Error('AccessDenied')
  }

  async #rule(
    asker: Asker,
    action: string,
    resource: Resource,
    bucket: BucketFacts | Promise<BucketFacts>,
    further: Further,
  ): Promise<Ruling> {
    const facts = bucket instanceof Promise ? await bucket : bucket
    return new Judgement({
      facts: this.#facts,
      nowMs: this.#clock.now(),
      region: this.#region,
      asker,
      action,
      resource,
      further,
      bucket: facts,
      policy: await this.#policies.of(resource.bucket, facts),
    }).rule()
  }

  /** Of no bucket, or of one that is yet to be: only the user's own policies speak. */
  #checkRoot(needs: Needs, asker: Asker): Promise<void> | undefined {
    const user = asker.identity?.user
    if (user?.isWhole === true || (user === undefined && needs.isFree)) return undefined
    return this.#checkOwnPolicies(needs, asker, user)
  }

  async #checkOwnPolicies(needs: Needs, asker: Asker, user: User | undefined): Promise<void> {
    if (user === undefined) throw new S3Error('AccessDenied')
    const { operation, request } = asker
    const actions = [needs.action]
    for (const { operations, header, action } of BUCKET_NEEDS)
      if (operations.has(operation ?? '') && request.effective(header) !== undefined)
        actions.push(action)
    for (const action of actions) {
      const context = new RequestContext(asker, {
        action,
        versionId: undefined,
        existingTags: {},
        requestTags: undefined,
        prefix: undefined,
        resourceAccount: user.account,
        nowMs: this.#clock.now(),
        region: this.#region,
      })
      const resource = arnOf({ bucket: request.bucket ?? '*' })
      const verdict = userVerdict(user, { principal: user.names, action, resource, context })
      if (verdict !== 'allow') throw new S3Error('AccessDenied')
    }
  }
}

/** The bucket is the user's, and nothing has been said that could forbid the user anything. */
function ownsPlainly(bucket: BucketFacts, user: User | undefined, action: string): boolean {
  return (
    user !== undefined &&
    user.isWhole &&
    (bucket.owner[0] === user.requester.id || user.isAdmin) &&
    bucket.config?.['policy'] === undefined &&
    (bucket.shared === undefined ||
      bucket.ownership === 'BucketOwnerEnforced' ||
      !OBJECT_PERMISSIONS.has(action))
  )
}

function resourceOf({ on }: Needs, { request }: Asker): Resource {
  const bucket = request.bucket ?? ''
  if (on !== 'key' || request.key === undefined) return { bucket }
  const versionId = request.param('versionId')
  return versionId === undefined
    ? { bucket, key: request.key }
    : { bucket, key: request.key, versionId }
}
