/** What is wrong with a query, or with the data that it is asked of, under S3 Select's codes. */
import { SELECT_ERRORS, type SelectErrorCode } from '../api/select-codes.ts'

export type { SelectErrorCode }

export class SelectError extends Error {
  override readonly name: string = 'SelectError'
  readonly code: SelectErrorCode

  constructor(code: SelectErrorCode, detail?: string) {
    super(detail === undefined ? SELECT_ERRORS[code] : `${SELECT_ERRORS[code]} ${detail}`)
    this.code = code
  }
}
