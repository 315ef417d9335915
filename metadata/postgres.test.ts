/** What needs no server; against a real one: `e2e/engines/postgres.engine.ts`. */
import { describe, expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { planCommit } from './postgres-commit.ts'
import { inWordsOfOperators } from './postgres-errors.ts'
import { namesOf } from './postgres-schema.ts'
import { commitText, REFUSAL } from './postgres-sql.ts'
import type { Cells, Run, Wire } from './postgres-wire.ts'
import { PostgresStore } from './postgres.ts'
import type { Commit, Write } from './store.ts'

const NAMES = namesOf('sluice')

/** Answers statement by statement as it is told; errors are thrown. */
class ScriptedWire implements Wire {
  readonly asked: { readonly text: string; readonly parameters: readonly (string | number)[] }[] =
    []
  readonly #answers: (readonly Cells[] | Error)[]
  closed = 0

  constructor(...answers: (readonly Cells[] | Error)[]) {
    this.#answers = answers
  }

  readonly run: Run = async (text, parameters) => {
    this.asked.push({ text, parameters })
    const answer = this.#answers.shift()
    if (answer instanceof Error) throw answer
    return answer ?? []
  }

  async transaction<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return work(this.run)
  }

  async script(): Promise<void> {}

  async close(): Promise<void> {
    this.closed++
  }
}

function failure(code: string, message: string = code): Error {
  return Object.assign(new Error(message), { code })
}

function storeOn(wire: Wire): PostgresStore {
  return new PostgresStore(wire, NAMES, SILENT)
}

const PUT: Write = { table: 'object', sort: 'k', value: { a: 1 } }
const COMMIT: Commit = {
  partition: 'b',
  expects: [
    { table: 'bucket', sort: '', rev: '7' },
    { table: 'object', sort: 'k', rev: 0 },
  ],
  writes: [PUT],
}
const DONE: readonly Cells[] = [[true]]

describe('a commit as a statement', () => {
  test('expectations that are not written are held, the others decide how rows are written', () => {
    const plan = planCommit(COMMIT)!
    expect(plan.parameters).toEqual([
      'b',
      '{1}',
      '{""}',
      '{7}',
      '{2}',
      '{"k"}',
      String.raw`{"{\"a\":1}"}`,
      '{NULL}',
    ])
    const text = commitText(NAMES, plan.shape)
    expect(text).toContain('for share')
    expect(text).toContain('on conflict do nothing')
    expect(text).not.toContain('for update')
  })

  test('every statement names as many parameters as are sent', () => {
    const at = ['a', 'b', 'c']
    const revs = [undefined, 0, '5']
    const values = [null, 1]
    let shapes = 0
    for (const [i, first] of revs.entries())
      for (const second of revs)
        for (const value of values)
          for (const other of values) {
            const commit: Commit = {
              partition: 'b',
              expects: [
                ...(i > 0 ? [{ table: 'bucket' as const, sort: '', rev: '1' }] : []),
                ...(first === undefined
                  ? []
                  : [{ table: 'object' as const, sort: 'a', rev: first }]),
                ...(second === undefined
                  ? []
                  : [{ table: 'object' as const, sort: 'b', rev: second }]),
              ],
              writes: [value, other, 1].map((value, n) => ({
                table: 'object',
                sort: at[n]!,
                value,
              })),
            }
            const { shape, parameters } = planCommit(commit)!
            const numbers = [...commitText(NAMES, shape).matchAll(/\$(\d+)/g)].map(([, n]) =>
              Number(n),
            )
            expect(Math.max(...numbers)).toBe(parameters.length)
            expect(new Set(numbers).size).toBe(parameters.length)
            shapes++
          }
    expect(shapes).toBe(36)
  })

  test('rows are in one order whatever the order of the commit is', () => {
    const sorts = ['c', 'a', 'b']
    const of = (sorts: readonly string[]): unknown =>
      planCommit({ partition: 'b', expects: [], writes: sorts.map((sort) => ({ ...PUT, sort })) })
    expect(of(sorts)).toEqual(of([...sorts].reverse()))
  })

  test('what can never be is refused without asking', async () => {
    const wire = new ScriptedWire()
    await using store = storeOn(wire)
    for (const rev of [1, 'x', '0', '1}'])
      expect(await store.commit({ ...COMMIT, expects: [{ ...COMMIT.expects[0]!, rev }] })).toBe(
        false,
      )
    const both = [0, '5'].map((rev) => ({ table: 'object' as const, sort: 'k', rev }))
    expect(await store.commit({ ...COMMIT, expects: both })).toBe(false)
    expect(wire.asked).toEqual([])
  })

  test('absence of what is not written is held by rows that go again', async () => {
    const wire = new ScriptedWire([[1]], DONE, [])
    await using store = storeOn(wire)
    const expects = [{ table: 'version' as const, sort: 'v\0', rev: 0 }]
    expect(await store.commit({ ...COMMIT, expects })).toBe(true)
    expect(wire.asked.map(({ text }) => text.trim().split(' ')[0])).toEqual([
      'insert',
      'with',
      'delete',
    ])
    expect(wire.asked[0]?.parameters).toEqual(['b', '{3}', '{"v\u0001\u0002"}'])
  })

  test('where one of them is there, nothing more is asked', async () => {
    const wire = new ScriptedWire([])
    await using store = storeOn(wire)
    const expects = [{ table: 'version' as const, sort: 'v', rev: 0 }]
    expect(await store.commit({ ...COMMIT, expects })).toBe(false)
    expect(wire.asked).toHaveLength(1)
  })
})

describe('what fails', () => {
  test.each(['40001', '40P01'])('%s is tried again, and ends as unavailable', async (code) => {
    const once = new ScriptedWire(failure(code), DONE)
    expect(await storeOn(once).commit(COMMIT)).toBe(true)
    const always = new ScriptedWire(...Array.from({ length: 99 }, () => failure(code)))
    await expect(storeOn(always).commit(COMMIT)).rejects.toMatchObject({ name: 'StoreUnavailable' })
    expect(always.asked).toHaveLength(10)
  })

  test('a commit whose connection breaks is not sent again: it may have happened', async () => {
    const wire = new ScriptedWire(failure('CONNECTION_CLOSED'), DONE)
    await expect(storeOn(wire).commit(COMMIT)).rejects.toMatchObject({ name: 'StoreUnavailable' })
    expect(wire.asked).toHaveLength(1)
  })

  test('a read is asked once more, and no more', async () => {
    const once = new ScriptedWire(failure('57P01'), [['9', '"v"', null]])
    expect(await storeOn(once).get('b', 'object', 'k')).toEqual({ sort: 'k', rev: '9', value: 'v' })
    const twice = new ScriptedWire(failure('57P01'), failure('57P01'), [])
    await expect(storeOn(twice).get('b', 'object', 'k')).rejects.toMatchObject({
      name: 'StoreUnavailable',
    })
  })

  test('a full disk is StoreFull, a commit that came second is refused, a mistake stays what it is', async () => {
    const full = storeOn(new ScriptedWire(failure('53100')))
    await expect(full.commit(COMMIT)).rejects.toMatchObject({ name: 'StoreFull' })
    const second = `invalid input syntax for type integer: "${REFUSAL}1"`
    expect(await storeOn(new ScriptedWire(failure('22P02', second))).commit(COMMIT)).toBe(false)
    await expect(storeOn(new ScriptedWire(failure('22P02'))).commit(COMMIT)).rejects.toMatchObject({
      name: 'StoreUnavailable',
    })
    const wire = new ScriptedWire(new TypeError('mistake'))
    await expect(storeOn(wire).get('b', 'object', 'k')).rejects.toThrow(TypeError)
  })

  test('the operator is told what to do, in one line', () => {
    const asked = { server: 'db:5432', user: 'u', database: 'd', schema: 's' }
    const told = (code: string): string =>
      (inWordsOfOperators(failure(code, `failed\nfor ${code}`), asked) as Error).message
    expect(told('28P01')).toMatch(/^PostgreSQL at db:5432: failed for 28P01; metadata\.user and/)
    expect(told('3D000')).toMatch(/create the database "d"/)
    expect(told('DEPTH_ZERO_SELF_SIGNED_CERT')).toMatch(/metadata\.caFile/)
    expect(told('53300')).toMatch(/poolSize/)
    expect(told('XX000')).toBe('PostgreSQL: failed for XX000')
  })
})

test('closing waits for what is under way', async () => {
  let answer: (cells: readonly Cells[]) => void = () => {}
  const wire = new ScriptedWire()
  const slow: Wire = {
    run: () => new Promise((resolve) => (answer = resolve)),
    transaction: (work) => wire.transaction(work),
    script: () => wire.script(),
    close: () => wire.close(),
  }
  const store = storeOn(slow)
  const commit = store.commit(COMMIT)
  const closing = store[Symbol.asyncDispose]()
  await new Promise((resolve) => setImmediate(resolve))
  expect(wire.closed).toBe(0)
  answer(DONE)
  expect(await commit).toBe(true)
  await closing
  expect(wire.closed).toBe(1)
})
