/**
 * Who signs in to Azure's services where no key is given: whoever the surroundings name, by variables, a workload
 * identity or a managed identity. Loaded when it is asked for.
 */
import type { TokenCredential } from '@azure/identity'
import { inTime } from './in-time.ts'

/** For a token to come: the SDK itself would wait for ever. */
const ANSWER_MS = 10_000

/** `clientId`: of a managed identity that was assigned by a user, where the machine has several. */
export async function azureIdentity(
  clientId: string | undefined,
  answerMs: number = ANSWER_MS,
): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity')
  const identity = new DefaultAzureCredential(
    clientId === undefined ? {} : { managedIdentityClientId: clientId },
  )
  return {
    getToken: (scopes, options) =>
      inTime(identity.getToken(scopes, options), answerMs, 'signing in'),
  }
}
