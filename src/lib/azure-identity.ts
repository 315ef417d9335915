/**
 * Who signs in to Azure's services where no key is given: whoever the surroundings name, by variables, a workload
 * identity or a managed identity. Loaded when it is asked for.
 */
import type { AccessToken, TokenCredential } from '@azure/identity'

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
  return { getToken: (scopes, options) => inTime(identity.getToken(scopes, options), answerMs) }
}

async function inTime(
  token: Promise<AccessToken | null>,
  answerMs: number,
): Promise<AccessToken | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = Object.assign(new Error(`no token came within ${answerMs} ms`), {
      code: 'ETIMEDOUT',
    })
    timer = setTimeout(() => reject(error), answerMs)
  })
  try {
    return await Promise.race([token, late])
  } finally {
    clearTimeout(timer)
  }
}
