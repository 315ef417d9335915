/** What SelectObjectContent answers, one after the other; src/http frames them as an event stream. */
export type SelectEvent =
  | { readonly kind: 'records'; readonly payload: Uint8Array }
  /** Nothing yet, but it goes on. */
  | { readonly kind: 'continuation' }
  /** Bytes: read of the object, after decompression, given out. */
  | {
      readonly kind: 'progress' | 'stats'
      readonly scanned: number
      readonly processed: number
      readonly returned: number
    }
  /** All is told. */
  | { readonly kind: 'end' }
  /** Instead of the end. */
  | { readonly kind: 'error'; readonly code: string; readonly message: string }
