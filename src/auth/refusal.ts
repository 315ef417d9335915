/** The refusals of authentication, worded as S3 words them; the two schemes differ in some of them. */
import { S3Error } from '../api/error.ts'
import { isoSeconds } from './request-time.ts'

/** How a scheme speaks of its own mistakes. */
export interface Wording {
  /** A fault of the credential: what is wrong with it, and the error's fields. */
  credential(fault: string, fields?: Readonly<Record<string, string>>): S3Error
  /** The credential's date is not the day of the request. */
  date(credentialDate: string, stamp: string): S3Error
}

export const HEADER_WORDING: Wording = {
  credential: (fault, fields) => headerMalformed(fault, fields),
  date: (credentialDate, stamp) => headerMalformed(dateMismatch(credentialDate, stamp)),
}

export const QUERY_WORDING: Wording = {
  credential: (fault, fields) =>
    queryMalformed(`Error parsing the X-Amz-Credential parameter; ${fault}`, fields),
  date: (credentialDate, stamp) => queryMalformed(dateMismatch(credentialDate, stamp)),
}

function dateMismatch(credentialDate: string, stamp: string): string {
  return `Invalid credential date "${credentialDate}". This date is not the same as X-Amz-Date: "${stamp.slice(0, 8)}".`
}

export function headerMalformed(
  fault: string,
  fields: Readonly<Record<string, string>> = {},
): S3Error {
  return new S3Error('AuthorizationHeaderMalformed', {
    message: `The authorization header is malformed; ${fault}`,
    fields,
  })
}

export function queryMalformed(
  message: string,
  fields: Readonly<Record<string, string>> = {},
): S3Error {
  return new S3Error('AuthorizationQueryParametersError', { message, fields })
}

/** Some of the required parameters are missing, or are there twice. */
export function queryIncomplete(): S3Error {
  return new S3Error('AuthorizationQueryParametersError')
}

/** Signature Version 2 is known, and not spoken. */
export function mechanismUnsupported(): S3Error {
  return new S3Error('InvalidRequest', {
    message:
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  })
}

export function ecdsaUnsupported(): S3Error {
  return new S3Error('NotImplemented', {
    message: 'Signatures of AWS4-ECDSA-P256-SHA256 are not supported. Please use AWS4-HMAC-SHA256.',
  })
}

export function authorizationInvalid(message: string, value: string): S3Error {
  return new S3Error('InvalidArgument', {
    message,
    fields: { ArgumentName: 'Authorization', ArgumentValue: value },
  })
}

export function dateMissing(): S3Error {
  return new S3Error('AccessDenied', {
    message: 'AWS authentication requires a valid Date or x-amz-date header',
  })
}

export function timeTooSkewed(requestTime: string, nowMs: number, skewMaxMs: number): S3Error {
  return new S3Error('RequestTimeTooSkewed', {
    fields: {
      RequestTime: requestTime,
      ServerTime: isoSeconds(nowMs),
      MaxAllowedSkewMilliseconds: String(skewMaxMs),
    },
  })
}

export function headersNotSigned(names: readonly string[]): S3Error {
  return new S3Error('AccessDenied', {
    message: 'There were headers present in the request which were not signed',
    fields: { HeadersNotSigned: names.join(', ') },
  })
}
