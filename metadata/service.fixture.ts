/** For tests of engines that are clients of a service: a fake of it, a store on it, and commits in short. */
import { onTestFinished } from 'vitest'
import type { Commit, Json, MetadataStore, Rev } from './store.ts'

export interface FakeService {
  /** What it was asked so far. */
  readonly calls: unknown[]
  /** Resolves to its endpoint. */
  listen(): Promise<string>
  close(): Promise<void>
}

/** A store on the fake, both gone with the test; what opening it asked is forgotten. */
export async function openOn<F extends FakeService, S extends MetadataStore>(
  fake: F,
  open: (endpoint: string) => Promise<S>,
): Promise<{ readonly fake: F; readonly store: S }> {
  const store = await open(await fake.listen())
  onTestFinished(async () => {
    await store[Symbol.asyncDispose]()
    await fake.close()
  })
  fake.calls.length = 0
  return { fake, store }
}

/** A write of one row of table `object`, in partition `b`. */
export function put(sort: string, value: Json, rev?: Rev): Commit {
  const expects = rev === undefined ? [] : [{ table: 'object' as const, sort, rev }]
  return { partition: 'b', expects, writes: [{ table: 'object', sort, value }] }
}

/** The same, where a row that is only looked at is at that rev. */
export function guarded(commit: Commit, rev: Rev): Commit {
  return { ...commit, expects: [...commit.expects, { table: 'bucket', sort: '', rev }] }
}
