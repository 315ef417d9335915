import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkHistory, type Operation } from './linearizable.ts'
import { ABSENT, type Act, foundOutcome, OBJECT } from './register.ts'

type Op = Operation<Act>

const put = (etag: string, only?: 'absent' | { etag: string }): Act =>
  only === undefined ? { kind: 'put', etag } : { kind: 'put', etag, only }
const remove = (etag?: string): Act =>
  etag === undefined ? { kind: 'delete' } : { kind: 'delete', only: { etag } }
const done = (begin: number, end: number, act: Act, outcome: string): Op => ({
  act,
  begin,
  end,
  outcome,
})
const lost = (begin: number, act: Act): Op => ({ act, begin })
const got = (begin: number, end: number, etag: string): Op =>
  done(begin, end, { kind: 'get' }, foundOutcome(etag))

const GOOD: Readonly<Record<string, readonly Op[]>> = {
  'nothing at all': [],
  'one after the other': [
    got(0, 1, ABSENT),
    done(2, 3, put('a'), '200'),
    got(4, 5, 'a'),
    done(6, 7, remove(), '204'),
    got(8, 9, ABSENT),
  ],
  'two reads beside a write may see before and after it': [
    done(0, 10, put('a'), '200'),
    got(1, 2, ABSENT),
    got(3, 4, 'a'),
  ],
  'one of two creations wins': [
    done(0, 10, put('a', 'absent'), '200'),
    done(1, 9, put('b', 'absent'), '412'),
    got(11, 12, 'a'),
  ],
  'both win where a deletion fits between them': [
    done(0, 10, put('a', 'absent'), '200'),
    done(1, 9, put('b', 'absent'), '200'),
    done(2, 8, remove(), '204'),
    got(11, 12, 'b'),
  ],
  'the write that begins last may happen first': [
    done(0, 10, put('a'), '200'),
    done(5, 11, put('b'), '200'),
    got(12, 13, 'a'),
  ],
  'a write that was never answered may have happened': [lost(0, put('a')), got(5, 6, 'a')],
  'a write that was never answered need not have happened': [
    lost(0, put('a')),
    got(5, 6, ABSENT),
    done(7, 8, put('b', 'absent'), '200'),
  ],
  'a write that was never answered may happen much later': [
    lost(0, put('a')),
    done(1, 2, put('b'), '200'),
    got(3, 4, 'b'),
    got(5, 6, 'a'),
    got(7, 8, 'a'),
  ],
  'a replacement of what was never acknowledged': [
    lost(0, put('a', 'absent')),
    done(1, 2, put('b', { etag: 'a' }), '200'),
    got(3, 4, 'b'),
  ],
  'a conditional write to nothing, a conditional deletion of nothing': [
    done(0, 1, put('a', { etag: 'x' }), '404'),
    done(2, 3, remove('x'), '204'),
    done(4, 5, put('a'), '200'),
    done(6, 7, remove('x'), '412'),
    done(8, 9, remove('a'), '204'),
  ],
}

const BAD: Readonly<Record<string, readonly Op[]>> = {
  'a read of what nobody wrote': [got(0, 1, 'a')],
  'a stale read': [done(0, 1, put('a'), '200'), done(2, 3, put('b'), '200'), got(4, 5, 'a')],
  'a lost write': [done(0, 1, put('a'), '200'), got(2, 3, ABSENT)],
  'two creations win': [
    done(0, 10, put('a', 'absent'), '200'),
    done(1, 9, put('b', 'absent'), '200'),
  ],
  'two replacements of one version win': [
    done(0, 1, put('a'), '200'),
    done(2, 10, put('b', { etag: 'a' }), '200'),
    done(3, 9, put('c', { etag: 'a' }), '200'),
  ],
  'a creation is refused where there was nothing': [done(0, 1, put('a', 'absent'), '412')],
  'two reads in turn go back in time': [
    done(0, 1, put('a'), '200'),
    done(2, 20, put('b'), '200'),
    got(3, 4, 'b'),
    got(5, 6, 'a'),
  ],
  'what was deleted comes back': [
    done(0, 1, put('a'), '200'),
    done(2, 3, remove(), '204'),
    got(4, 5, 'a'),
  ],
  'a write that was never answered happens twice': [
    lost(0, put('a')),
    got(1, 2, 'a'),
    done(3, 4, put('b'), '200'),
    got(5, 6, 'a'),
  ],
  'a write that was never answered happens before it begins': [got(0, 1, 'a'), lost(2, put('a'))],
  'a refused write has happened': [
    done(0, 1, put('a'), '200'),
    done(2, 3, put('b', 'absent'), '412'),
    got(4, 5, 'b'),
  ],
}

describe('good histories pass', () => {
  test.each(Object.entries(GOOD))('%s', (_, history) => {
    expect(checkHistory(OBJECT, history)).toBeUndefined()
  })
})

describe('bad histories are found out', () => {
  test.each(Object.entries(BAD))('%s', (_, history) => {
    expect(checkHistory(OBJECT, history)).toBeDefined()
  })
})

test('the violation names the operation, what the object may have been, and what was under way', () => {
  const beside = lost(5, put('c'))
  const bad = got(6, 7, 'a')
  const history = [done(0, 1, put('a'), '200'), done(2, 3, put('b'), '200'), beside, bad]
  const violation = checkHistory(OBJECT, history)
  expect(violation).toEqual({ operation: bad, states: ['b'], beside: [beside] })
})

test('many outcomes that nobody knows do not make it slow', () => {
  const history: Op[] = []
  for (let at = 0; at < 100; at++) {
    history.push(lost(at * 10, put(`lost-${at}`, at % 5 === 1 ? 'absent' : undefined)))
    history.push(done(at * 10 + 1, at * 10 + 8, put(`known-${at}`), '200'))
    history.push(got(at * 10 + 2, at * 10 + 9, at % 5 === 0 ? `lost-${at}` : `known-${at}`))
  }
  const begun = performance.now()
  expect(checkHistory(OBJECT, history)).toBeUndefined()
  expect(performance.now() - begun).toBeLessThan(3000)
})

const ETAGS = ['a', 'b'] as const
const etag = fc.constantFrom(...ETAGS)
const only = fc.record({ etag })
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.constant<Act>({ kind: 'get' }),
  fc
    .tuple(etag, fc.option(fc.oneof(fc.constant('absent' as const), only), { nil: undefined }))
    .map(([value, condition]) => put(value, condition)),
  fc.option(etag, { nil: undefined }).map((value) => remove(value)),
)
const OUTCOMES = ['200', '204', '404', '412', '200 a', '200 b']
const operation: fc.Arbitrary<Op> = fc
  .record({
    act,
    begin: fc.integer({ min: 0, max: 8 }),
    takes: fc.integer({ min: 1, max: 5 }),
    isLost: fc.boolean(),
    lie: fc.option(fc.constantFrom(...OUTCOMES), { nil: undefined, freq: 8 }),
    state: fc.constantFrom(ABSENT, ...ETAGS),
  })
  .map(({ act, begin, takes, isLost, lie, state }) => {
    if (isLost) return lost(begin, act)
    // Mostly an outcome that the act can have, or hardly any history would be good.
    return done(begin, begin + takes, act, lie ?? OBJECT.step(state, act)[1])
  })

test('any small history is judged as by trying all orders', () => {
  let good = 0
  let bad = 0
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 5 }), (history) => {
      const expected = hasOrder(history, OBJECT.initial)
      if (expected) good++
      else bad++
      expect(checkHistory(OBJECT, history) === undefined).toBe(expected)
    }),
    { numRuns: 3000 },
  )
  expect(Math.min(good, bad)).toBeGreaterThan(300)
})

/** By definition: some operation that no other one precedes happens first, or is left out if it has no end. */
function hasOrder(left: readonly Op[], state: string): boolean {
  if (left.every((op) => op.end === undefined)) return true
  return left.some((op) => {
    if (left.some((other) => other.end !== undefined && other.end < op.begin)) return false
    const [after, outcome] = OBJECT.step(state, op.act)
    if (op.end !== undefined && op.outcome !== outcome) return false
    return hasOrder(
      left.filter((other) => other !== op),
      after,
    )
  })
}
