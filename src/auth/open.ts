/** The door of authentication: from credentials to an Authenticator that speaks Signature Version 4. */
import type { Clock } from '../lib/ids.ts'
import type { Authenticator } from './authenticator.ts'
import { Keyring } from './credentials.ts'
import { authenticateForm } from './form.ts'
import { authenticateByQuery, queryScheme, refuseVersion2 } from './presigned.ts'
import { authorizationInvalid } from './refusal.ts'
import { authenticateByHeader2, authenticateByQuery2 } from './sigv2.ts'
import { authenticateByHeader } from './sigv4.ts'
import { answerSts } from './sts.ts'
import { Trust } from './trust.ts'
import type { Users } from './users.ts'

export interface AuthenticatorOptions {
  readonly users: Users
  /** The only region that requests may be signed for; undefined accepts any. */
  readonly region: string | undefined
  readonly clock: Clock
  /** How far a client's clock may be off, in milliseconds (S3: CLOCK_SKEW_MAX_MS). */
  readonly skewMaxMs: number
  /** How clients reach us through a proxy; requests signed for it are good, whatever host and path arrive. */
  readonly publicUrl?: string | undefined
  /** Signature Version 2 is taken too, for old clients. */
  readonly allowsVersion2?: boolean
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const keyring = new Keyring(options.users, options.region)
  const trust = new Trust(keyring, options.clock, options.skewMaxMs, options.publicUrl)
  return {
    authenticate(request) {
      // An empty Authorization header says nothing, and is taken for none.
      const authorization = request.header('authorization')
      const scheme = request.query === '' ? undefined : queryScheme(request.query)
      if (scheme !== undefined) {
        if (authorization) throw onlyOneMechanism(authorization)
        if (scheme === 2) {
          if (options.allowsVersion2 === true) return authenticateByQuery2(request, trust)
          throw refuseVersion2(request.query)
        }
        return authenticateByQuery(request, trust)
      }
      if (!authorization) return undefined
      return options.allowsVersion2 === true && authorization.startsWith('AWS ')
        ? authenticateByHeader2(request, authorization, trust)
        : authenticateByHeader(request, authorization, trust)
    },
    answerSts: (request, body) => answerSts(request, body, trust),
    authenticateForm: (form) => authenticateForm(form, trust, options.allowsVersion2 === true),
  }
}

function onlyOneMechanism(authorization: string): Error {
  return authorizationInvalid(
    'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
    authorization,
  )
}
