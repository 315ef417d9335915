/**
 * An object as the model that histories are checked against: a register that holds an ETag or nothing, and the
 * answers of S3 to those who read, write and delete it, with conditions and without.
 */
import type { Model } from './linearizable.ts'

/** No object. */
export const ABSENT = ''

export type Act =
  | { readonly kind: 'get' }
  | {
      readonly kind: 'put'
      /** ETag of what is written, without quotes. */
      readonly etag: string
      /** `If-None-Match: *`, or `If-Match` with this ETag. */
      readonly only?: 'absent' | { readonly etag: string }
    }
  | { readonly kind: 'delete'; readonly only?: { readonly etag: string } }

/** Outcomes: what a GET found, or the status of the answer. */
export const OBJECT: Model<Act> = {
  initial: ABSENT,
  step(state, act) {
    if (act.kind === 'get') return [state, foundOutcome(state)]
    if (act.kind === 'delete') {
      // To delete what is not there succeeds, whatever the condition.
      const refuses = state !== ABSENT && act.only !== undefined && act.only.etag !== state
      return refuses ? [state, '412'] : [ABSENT, '204']
    }
    if (act.only === 'absent') return state === ABSENT ? [act.etag, '200'] : [state, '412']
    if (act.only === undefined || act.only.etag === state) return [act.etag, '200']
    return [state, state === ABSENT ? '404' : '412']
  },
}

/** Of a GET that found the object with that ETag, or none. */
export function foundOutcome(etag: string): string {
  return etag === ABSENT ? '404' : `200 ${etag}`
}
