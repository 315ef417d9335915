/**
 * What a bucket's policy says to a service that acts for a bucket (IAM, "AWS service principals";
 * S3, "Permissions for log delivery"): it has to be named. A grant to everybody means users.
 */
import type { ServiceAct } from '../api/facts.ts'
import { arnOf } from './judgement.ts'
import { evaluate, type Policy } from './policy.ts'
import { accountOf } from './user.ts'

export function letsService(policy: Policy, act: ServiceAct): boolean {
  const name = `service:${act.service}`
  const statements = policy.statements.filter(
    ({ isDeny, principal }) => isDeny || principal?.names.has(name) === true,
  )
  const verdict = evaluate(
    { ...policy, statements },
    {
      principal: { own: [name], account: [] },
      action: act.action,
      resource: arnOf(act),
      context: { get: (key) => said(act, key) },
    },
  )
  return verdict === 'allow'
}

function said(act: ServiceAct, key: string): string | readonly string[] | undefined {
  switch (key) {
    case 'aws:sourcearn':
      return arnOf({ bucket: act.sourceBucket })
    case 'aws:sourceaccount':
      // The account by its number, as AWS writes it, or by the id that self-hosters know.
      return [accountOf(act.sourceOwner), act.sourceOwner]
    case 'aws:principalisawsservice':
      return 'true'
    case 'aws:principalservicename':
      return act.service
    case 'aws:securetransport':
      return 'true'
    default:
      return undefined
  }
}
