/** For tests: rights asked over facts that stand in an object. */
import type { BucketFacts, Facts, ObjectFacts } from '../api/facts.ts'
import { S3Error } from '../api/error.ts'
import type { Identity } from './authenticator.ts'
import { Authorizer } from './authorize.ts'
import { type AskedRequest, type Asker } from './request-context.ts'
import type { Policy } from './policy.ts'
import { parsePolicy } from './policy-parse.ts'
import { inSession, makeUser, type Session, type User } from './user.ts'

export const OWNER: User = user('owner')
export const OTHER: User = user('other')

export function user(
  id: string,
  more: { policies?: readonly Policy[]; isAdmin?: boolean } = {},
): User {
  return makeUser({ id, displayName: `${id}-name`, isAdmin: false, policies: undefined, ...more })
}

export function allowing(action: string | string[], resource: string | string[] = '*'): Policy {
  return own({ Effect: 'Allow', Action: action, Resource: resource })
}

/** A policy of a user's own. */
export function own(...statements: readonly object[]): Policy {
  return parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), {
    bucket: undefined,
  })
}

export function session(of: User, ...policies: readonly Policy[]): User {
  const limits: Session = { name: 's', issuedMs: 0, policies }
  return inSession(of, limits)
}

export interface World {
  readonly bucket?: Partial<BucketFacts>
  /** Statements of the bucket's policy. */
  readonly policy?: readonly object[]
  readonly objects?: Readonly<Record<string, Partial<ObjectFacts>>>
  readonly uploads?: Readonly<Record<string, string>>
  readonly compat?: 'legacy' | 'aws-2026'
}

export interface Asked {
  readonly by?: User | undefined
  readonly bucket?: string
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly params?: Readonly<Record<string, string>>
  readonly from?: string
  readonly isSecure?: boolean
  readonly requestTags?: Readonly<Record<string, string>>
}

/** The one bucket is `b`; what is read beside its row is counted. */
export class Court {
  readonly authorizer: Authorizer
  reads = 0

  constructor({ bucket, policy, objects = {}, uploads = {}, compat = 'legacy' }: World = {}) {
    const facts: BucketFacts = {
      owner: ['owner', 'owner-name'],
      ...bucket,
      ...(policy !== undefined && { config: { policy: 'id' } }),
    }
    const told: Facts = {
      bucket(name) {
        if (name !== 'b') throw new S3Error('NoSuchBucket')
        return facts
      },
      policy: async () => {
        this.reads++
        return ['id', JSON.stringify({ Version: '2012-10-17', Statement: policy })]
      },
      object: async (_bucket, key) => {
        this.reads++
        const found = objects[key]
        return found && { owner: 'owner', acl: undefined, tags: {}, ...found }
      },
      initiator: async (_bucket, _key, uploadId) => uploads[uploadId],
    }
    this.authorizer = new Authorizer({
      facts: told,
      clock: { now: () => Date.UTC(2026, 10, 20) },
      region: 'us-east-1',
      compat,
    })
  }

  /** `granted at once`, `granted`, or the code of the refusal. */
  async ask(operation: string, asked: Asked): Promise<string> {
    const { requestTags } = asked
    try {
      const answer = this.authorizer.check(operation, askerOf(operation, asked), {
        ...(requestTags && { requestTags }),
      })
      if (answer === undefined) return 'granted at once'
      await answer
      return 'granted'
    } catch (error) {
      return error instanceof S3Error ? error.code : String(error)
    }
  }
}

export function askerOf(
  operation: string,
  { by, bucket = 'b', key, headers = {}, params = {}, from = '10.0.0.1', isSecure = false }: Asked,
): Asker {
  const request: AskedRequest = {
    bucket: bucket === '' ? undefined : bucket,
    key,
    header: (name) => headers[name],
    effective: (name) => headers[name],
    param: (name) => params[name],
  }
  const identity: Identity | undefined = by && {
    requester: by.requester,
    user: by,
    accessKeyId: 'AK',
    body: { kind: 'unsigned' },
    authType: 'REST-HEADER',
    signatureVersion: 'AWS4-HMAC-SHA256',
    signedMs: Date.UTC(2026, 10, 20) - 5000,
  }
  return { operation, request, identity, remoteAddress: from, isSecure }
}
