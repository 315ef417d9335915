/** Who signs in to Google Cloud Storage: the holder of a credentials file, or whoever the surroundings name. */
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  type AuthClient,
  ExternalAccountClient,
  type ExternalAccountClientOptions,
  GoogleAuth,
  JWT,
  UserRefreshClient,
} from 'google-auth-library'
import { StoreUnavailable } from '../src/lib/store-error.ts'

const SCOPES = ['https://www.googleapis.com/auth/devstorage.read_write']

/** What Google's programs find: a file that a variable names, a login, the machine's own service account. */
export async function defaultClient(): Promise<AuthClient> {
  return new GoogleAuth({ scopes: SCOPES }).getClient()
}

/** Rejects with one line that says what is wrong with the file. */
export function clientOfFile(file: string): AuthClient {
  try {
    return clientOf(JSON.parse(readFileSync(file, 'utf8')) as Credentials)
  } catch (error) {
    const why = error instanceof SyntaxError ? 'holds no JSON' : (error as Error).message
    throw new StoreUnavailable(
      `storage: ${file} ${why}: mend storage.credentialsFile, which is the JSON file of a service account's key or of a workload identity`,
      { cause: error },
    )
  }
}

interface Credentials {
  readonly type?: unknown
  readonly client_email?: string
  readonly private_key?: string
  readonly private_key_id?: string
  readonly universe_domain?: string
  readonly client_id?: string
  readonly client_secret?: string
  readonly refresh_token?: string
}

function clientOf(json: Credentials): AuthClient {
  switch (json.type) {
    case 'service_account':
      return serviceAccount(json)
    case 'external_account': {
      const client = ExternalAccountClient.fromJSON(json as ExternalAccountClientOptions)
      if (client === null) throw new Error('holds no workload identity')
      client.scopes = SCOPES
      return client
    }
    case 'authorized_user':
      return new UserRefreshClient({
        clientId: json.client_id ?? '',
        clientSecret: json.client_secret ?? '',
        refreshToken: json.refresh_token ?? '',
      })
    default:
      throw new Error(`holds credentials of no known type (${String(json.type)})`)
  }
}

function serviceAccount(json: Credentials): AuthClient {
  const { client_email: email = '', private_key: key = '', private_key_id: keyId = '' } = json
  try {
    createPrivateKey(key)
  } catch (error) {
    throw new Error('holds no private key', { cause: error })
  }
  const universe = json.universe_domain
  return new JWT({
    email,
    key,
    keyId,
    scopes: SCOPES,
    ...(universe === undefined ? {} : { universeDomain: universe }),
  })
}
