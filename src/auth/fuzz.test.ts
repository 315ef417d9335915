/**
 * Whatever stands in an Authorization header, a signed query, a session token or a policy: it is refused in
 * S3's words, and nobody is let in by it. The corpus is what was odd once; SLUICE_FUZZ_RUNS goes further.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import corpus from './corpus.fixture.json' with { type: 'json' }
import { parsePolicy } from './policy-parse.ts'
import { authenticator, request, STAMP } from './reference.fixture.ts'

const RUNS = Number(process.env['SLUICE_FUZZ_RUNS'] ?? 2000)
const doors = [authenticator(), authenticator({ allowsVersion2: true })]

/** `anonymous`, or the code of the refusal. Anything else is a fault. */
function outcome(act: () => unknown): string {
  try {
    return act() === undefined ? 'anonymous' : 'let in'
  } catch (error) {
    if (error instanceof S3Error && error.status < 500) return error.code
    // Algorithms that are known and not spoken.
    if (error instanceof S3Error && error.code === 'NotImplemented') return error.code
    throw error
  }
}

const header = (authorization: string, token?: string): string[] =>
  doors.map((door) =>
    outcome(() =>
      door.authenticate(
        request('GET', '/b/k', [
          ['host', 'h'],
          ['x-amz-date', STAMP],
          ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD'],
          ...(token === undefined ? [] : [['x-amz-security-token', token] as const]),
          ['authorization', authorization],
        ]),
      ),
    ),
  )

const query = (text: string): string[] =>
  doors.map((door) =>
    outcome(() => door.authenticate(request('GET', `/b/k?${text}`, [['host', 'h']]))),
  )

/** Texts near those of the corpus: cut, doubled, with something foreign inside. */
function near(texts: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom('=', ',', ';', '/', '%', '&', ':', '.', '"', '{', '\n'),
  )
  return fc
    .tuple(fc.constantFrom(...texts), fc.nat(300), fc.nat(300), piece)
    .map(([text, from, to, inner]) => text.slice(0, from) + inner + text.slice(to))
}

describe.each([
  ['an Authorization header', corpus.authorizations, (text: string) => header(text)],
  ['a signed query', corpus.queries, query],
  ['a session token', corpus.tokens, (text: string) => header(corpus.authorizations[0]!, text)],
])('%s', (_what, texts, run) => {
  test.each(texts.map((text) => [text.slice(0, 60), text]))('of the corpus: %s', (_shown, text) => {
    for (const said of run(text)) expect(said).not.toBe('let in')
  })

  test('near those, and of any kind', () => {
    fc.assert(
      fc.property(fc.oneof(near(texts), fc.string(), fc.string({ unit: 'binary' })), (text) => {
        for (const said of run(text)) expect(said).not.toBe('let in')
      }),
      { numRuns: RUNS },
    )
  })
})

describe('a policy', () => {
  const parse = (text: string) => (): true => {
    for (const bucket of ['b', undefined]) parsePolicy(text, { bucket })
    return true
  }

  test.each(corpus.policies.map((text) => [text.slice(0, 60), text]))(
    'of the corpus: %s',
    (_shown, text) => {
      expect(['MalformedPolicy', 'let in']).toContain(outcome(parse(text)))
    },
  )

  test('near those, and of any kind', () => {
    fc.assert(
      fc.property(fc.oneof(near(corpus.policies), fc.json()), (text) => {
        expect(['MalformedPolicy', 'let in']).toContain(outcome(parse(text)))
      }),
      { numRuns: RUNS },
    )
  })
})
