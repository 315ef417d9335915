/** The rules of policies as src/s3 asks for them, before it keeps a bucket's policy. */
import type { PolicyRules } from '../api/facts.ts'
import { parsePolicy } from './policy-parse.ts'
import { isPublic } from './policy-public.ts'
import { letsService } from './policy-service.ts'

/** `isStrict`: as AWS is today; see `PolicyOf`. */
export function createPolicyRules(isStrict: boolean): PolicyRules {
  return {
    check(text, bucket) {
      const policy = parsePolicy(text, { bucket, isStrict })
      const opensToWriters = policy.statements.some(
        ({ isDeny, actions }) => !isDeny && actions.has('s3:PutObject'),
      )
      return { isPublic: isPublic(policy), opensToWriters }
    },
    lets: (text, act) => letsService(parsePolicy(text, { bucket: act.bucket }), act),
  }
}
