/** Policies of buckets, compiled once for each of their versions. */
import type { BucketFacts, Facts } from '../api/facts.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import { parsePolicy } from './policy-parse.ts'
import { isPublic } from './policy-public.ts'
import type { Policy } from './policy.ts'

export interface BucketPolicy {
  readonly policy: Policy
  readonly isPublic: boolean
}

/** Compiled policies that are kept. */
const KEPT_MAX = 1000

export class BucketPolicies {
  readonly #facts: Facts
  readonly #kept = new BoundedMap<BucketPolicy>(KEPT_MAX)

  constructor(facts: Facts) {
    this.#facts = facts
  }

  /** Undefined: the bucket has none. A promise only where it has to be read. */
  of(
    name: string,
    bucket: BucketFacts,
  ): BucketPolicy | undefined | Promise<BucketPolicy | undefined> {
    const id = bucket.config?.['policy']
    if (id === undefined) return undefined
    return this.#kept.get(id) ?? this.#read(name)
  }

  async #read(name: string): Promise<BucketPolicy | undefined> {
    const found = await this.#facts.policy(name)
    if (found === undefined) return undefined
    const [id, text] = found
    const compiled = compile(text, name)
    this.#kept.set(id, compiled)
    return compiled
  }
}

/** What cannot be understood (a later version of the program wrote it) allows nothing, and denies everything. */
const CLOSED = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}`

function compile(text: string, bucket: string): BucketPolicy {
  let policy: Policy
  try {
    policy = parsePolicy(text, { bucket })
  } catch {
    policy = parsePolicy(CLOSED, { bucket })
  }
  return { policy, isPublic: isPublic(policy) }
}
