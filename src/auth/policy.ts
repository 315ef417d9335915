/**
 * Policies of IAM's language, compiled, and what they say to a request. Pure: facts come in as values.
 *
 * An explicit Deny wins over every Allow; what nothing speaks of is neither.
 */
import type { Condition } from './policy-condition.ts'
import type { Context, Pattern } from './policy-pattern.ts'

/** Who asks, by the names that policies may use. */
export interface PrincipalNames {
  /** That mean this one alone: ARNs, the canonical user id. */
  readonly own: readonly string[]
  /** That mean the whole account. To an account's root user they are names of its own too. */
  readonly account: readonly string[]
}

/** What one request asks of policies. */
export interface Question {
  /** Undefined: anonymous. */
  readonly principal: PrincipalNames | undefined
  /** `s3:GetObject` */
  readonly action: string
  /** `arn:aws:s3:::bucket/key` */
  readonly resource: string
  readonly context: Context
}

export interface PrincipalMatch {
  readonly everyone: boolean
  readonly names: ReadonlySet<string>
}

export interface Statement {
  readonly isDeny: boolean
  /** Absent: of a policy of somebody's own, who needs no naming. */
  readonly principal?: PrincipalMatch
  readonly isNotPrincipal: boolean
  /** All actions that are meant; made of patterns once, for the actions are known. */
  readonly actions: ReadonlySet<string>
  readonly resources: readonly Pattern[]
  readonly isNotResource: boolean
  /** All must hold. */
  readonly conditions: readonly Condition[]
}

export interface Policy {
  /** Denials first, so that the first statement that applies decides. */
  readonly statements: readonly Statement[]
  /** A condition asks for tags that the object has. */
  readonly readsTags: boolean
}

/**
 * `delegated`: allowed to the asker's account as a whole, which for one of its users is no right until
 * the user's own policies give it.
 */
export type Verdict = 'deny' | 'allow' | 'delegated' | 'none'

export function evaluate(policy: Policy, question: Question): Verdict {
  let verdict: Verdict = 'none'
  for (const statement of policy.statements) {
    if (!statement.actions.has(question.action)) continue
    const meant = meansPrincipal(statement, question.principal)
    if (meant === 'no' || (meant === 'account' && verdict === 'delegated')) continue
    if (!coversResource(statement, question) || !conditionsHold(statement, question.context))
      continue
    if (statement.isDeny) return 'deny'
    if (meant === 'own') return 'allow'
    verdict = 'delegated'
  }
  return verdict
}

function meansPrincipal(
  { principal, isNotPrincipal, isDeny }: Statement,
  asker: PrincipalNames | undefined,
): 'own' | 'account' | 'no' {
  if (principal === undefined) return 'own'
  const isOwn = principal.everyone || (asker !== undefined && hasAny(principal.names, asker.own))
  // Whoever is to be spared by NotPrincipal has to be named, and not only the account.
  if (isNotPrincipal) return isOwn ? 'no' : 'own'
  if (isOwn) return 'own'
  if (asker === undefined || !hasAny(principal.names, asker.account)) return 'no'
  return isDeny ? 'own' : 'account'
}

function hasAny(names: ReadonlySet<string>, of: readonly string[]): boolean {
  for (const name of of) if (names.has(name)) return true
  return false
}

function coversResource(
  { resources, isNotResource }: Statement,
  { resource, context }: Question,
): boolean {
  for (const pattern of resources) {
    if (pattern.matches(resource, context)) return !isNotResource
  }
  return isNotResource
}

function conditionsHold({ conditions }: Statement, context: Context): boolean {
  for (const condition of conditions) if (!condition.holds(context)) return false
  return true
}
