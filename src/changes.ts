/** The history of metadata as the control plane serves it. */
import type { History, HistoryCommit } from '../metadata/history.ts'
import type { ChangeSource } from './http/open.ts'

/** `ending`: followers are sent away. */
export function changesOf(history: History, token: string, ending: AbortSignal): ChangeSource {
  return {
    token,
    ending,
    firstIndex: () => history.firstIndex,
    lastIndex: () => history.lastIndex,
    term: () => history.term,
    async read(after, limit) {
      const { commits, cursor } = await history.read(after, limit)
      const changes = commits.map((commit) => ({ index: commit.index, json: changeText(commit) }))
      return { changes, cursor }
    },
    arrived: (cursor, signal) => history.arrived(cursor, signal),
    termOf: (index) => history.termOf(index),
    copy: () => history.copy(),
    fence: (term) => history.fence(term),
  }
}

/** A change as it is told: bytes beside rows in base64. */
export function changeText({ index, term, at, partition, writes }: HistoryCommit): string {
  const told = writes.map(({ table, sort, value, bytes }) =>
    bytes === undefined
      ? { table, sort, value }
      : { table, sort, value, bytes: Buffer.from(bytes).toString('base64') },
  )
  return JSON.stringify({ index, term, at, partition, writes: told })
}
