/**
 * A commit as the engines that are services need it: each row once, a write together with what is
 * expected of its row, and apart from them the rows that are expected only.
 */
import type { Commit, Expect, Rev, Write } from './store.ts'

export interface AskedWrite {
  readonly write: Write
  /** What its row has to be at; undefined: anything, or absent. */
  readonly rev: Rev | undefined
}

export interface CommitShape {
  readonly writes: readonly AskedWrite[]
  /** Rows that are not written. */
  readonly checks: readonly Expect[]
  /** Done twice it is done once: a write expects a rev, which does not come again. */
  readonly isRepeatable: boolean
}

/**
 * None where it expects what cannot be: two revs of one row, or one that is not of the engine's kind, for
 * these give texts and no numbers.
 */
export function shapeOf(commit: Commit): CommitShape | undefined {
  const expects: Expect[] = []
  for (const expect of commit.expects) {
    if (typeof expect.rev === 'number' && expect.rev !== 0) return undefined
    const same = expects.find((other) => isSame(other, expect))
    if (same === undefined) expects.push(expect)
    else if (same.rev !== expect.rev) return undefined
  }
  const checks = new Set(expects)
  const writes = commit.writes.map((write) => {
    const expect = expects.find((expect) => isSame(expect, write))
    if (expect !== undefined) checks.delete(expect)
    return { write, rev: expect?.rev }
  })
  return {
    writes,
    checks: [...checks],
    isRepeatable: writes.some(({ rev }) => typeof rev === 'string'),
  }
}

function isSame(one: Expect, other: Expect | Write): boolean {
  return one.sort === other.sort && one.table === other.table
}
