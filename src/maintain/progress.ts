/** What a long piece of work tells of its advance, and to whom. */

/** How much of a kind there is to do, as far as it is known. */
export interface Amount {
  /** Rows, objects or blobs, as the phase's name says. */
  readonly items?: number
  readonly bytes?: number
}

export interface Progress {
  /** A phase begins: `reading rows`. */
  begin(phase: string, total?: Amount): void
  /** So much more is done of it. */
  add(items: number, bytes: number): void
}

/** Nobody watches. */
export const UNWATCHED: Progress = { begin() {}, add() {} }
