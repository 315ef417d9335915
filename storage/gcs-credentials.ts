/** The credentials that a file holds, of the kinds that are signed in with here. */
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Storage } from '@google-cloud/storage'
import { StoreUnavailable } from '../src/lib/store-error.ts'

export type Credentials = NonNullable<Storage['authClient']['jsonContent']>

const KINDS: ReadonlySet<unknown> = new Set([
  'service_account',
  'external_account',
  'authorized_user',
])

/** Throws one line that says what is wrong with the file. */
export function credentialsOf(file: string): Credentials {
  try {
    return checked(JSON.parse(readFileSync(file, 'utf8')) as Credentials)
  } catch (error) {
    throw unusable(file, error)
  }
}

/** What nothing can be signed in with. */
export function unusable(file: string, error: unknown): StoreUnavailable {
  const why = error instanceof SyntaxError ? 'holds no JSON' : (error as Error).message
  return new StoreUnavailable(
    `storage: ${file} ${why}: mend storage.credentialsFile, which is the JSON file of a service account's key or of a workload identity`,
    { cause: error },
  )
}

/** Other kinds may send the gateway, and what it signs in with, anywhere. */
function checked(json: Credentials): Credentials {
  if (!KINDS.has(json.type))
    throw new Error(`holds credentials of no known type (${String(json.type)})`)
  if (json.type === 'service_account') checkKey((json as { private_key?: unknown }).private_key)
  return json
}

function checkKey(key: unknown): void {
  try {
    createPrivateKey(typeof key === 'string' ? key : '')
  } catch (error) {
    throw new Error('holds no private key', { cause: error })
  }
}
