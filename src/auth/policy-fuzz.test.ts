/** Policies made at random: the compiled evaluator says what the plain one says. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evaluate } from './policy.ts'
import { parsePolicy } from './policy-parse.ts'
import { parsePattern } from './policy-pattern.ts'
import { decide, like, type ReferenceStatement } from './policy-reference.fixture.ts'

const RUNS = Number(process.env['SLUICE_FUZZ_RUNS'] ?? 3000)

const ALICE = 'arn:aws:iam::111111111111:user/alice'
const BOB = 'arn:aws:iam::111111111111:user/bob'
const principal = fc.constantFrom(ALICE, BOB, '*')
const someOf = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | T[]> =>
  fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 3 }))
const action = fc.constantFrom(
  's3:GetObject',
  's3:Get*',
  's3:*Object',
  '*',
  's3:put?bject',
  's3:PutObject',
  's3:List*',
  'S3:GETOBJECT*',
)
const resource = fc.constantFrom(
  'arn:aws:s3:::b',
  'arn:aws:s3:::b/*',
  'arn:aws:s3:::b/a?c',
  'arn:aws:s3:::b/*c*',
  '*',
  'arn:aws:s3:::*/abc',
)
const word = fc.constantFrom('a', 'b', 'A', 'ab', 'a*', '?', '')
const number = fc.constantFrom('0', '1', '10', '-1', '2.5')
const network = fc.constantFrom('10.0.0.0/8', '10.1.2.3', '192.168.0.0/24', '0.0.0.0/1')

const quantifier = fc.constantFrom('', '', 'ForAllValues:', 'ForAnyValue:')
const suffix = fc.constantFrom('', 'IfExists')
const condition = fc
  .record({
    quantifier,
    suffix,
    test: fc.oneof(
      fc.record({
        name: fc.constantFrom(
          'StringEquals',
          'StringNotEquals',
          'StringLike',
          'StringNotLike',
          'StringEqualsIgnoreCase',
          'StringNotEqualsIgnoreCase',
        ),
        key: fc.constantFrom('s3:prefix', 's3:RequestObjectTagKeys'),
        values: someOf(word),
      }),
      fc.record({
        name: fc.constantFrom(
          'NumericEquals',
          'NumericNotEquals',
          'NumericLessThan',
          'NumericGreaterThanEquals',
        ),
        key: fc.constant('s3:max-keys'),
        values: someOf(number),
      }),
      fc.record({
        name: fc.constant('Bool'),
        key: fc.constant('aws:SecureTransport'),
        values: someOf(fc.constantFrom('true', 'false')),
      }),
      fc.record({
        name: fc.constantFrom('IpAddress', 'NotIpAddress'),
        key: fc.constant('aws:SourceIp'),
        values: someOf(network),
      }),
      fc.record({
        name: fc.constant('Null'),
        key: fc.constantFrom('s3:prefix', 's3:RequestObjectTagKeys'),
        values: someOf(fc.constantFrom('true', 'false')),
      }),
    ),
  })
  .map(({ quantifier, suffix, test: { name, key, values } }) => {
    const operator = name === 'Null' ? name : `${quantifier}${name}${suffix}`
    return { [operator]: { [key]: values } }
  })

const statement: fc.Arbitrary<ReferenceStatement> = fc
  .record({
    Effect: fc.constantFrom('Allow', 'Deny'),
    who: someOf(principal),
    isNotWho: fc.boolean(),
    isNotAction: fc.boolean(),
    actions: someOf(action),
    isNotResource: fc.boolean(),
    resources: someOf(resource),
    Condition: fc.option(condition, { nil: undefined }),
  })
  .map((made) => ({
    Effect: made.Effect,
    ...(made.isNotWho && made.Effect === 'Deny'
      ? { NotPrincipal: { AWS: made.who } }
      : { Principal: { AWS: made.who } }),
    ...(made.isNotAction ? { NotAction: made.actions } : { Action: made.actions }),
    ...(made.isNotResource ? { NotResource: made.resources } : { Resource: made.resources }),
    ...(made.Condition !== undefined && { Condition: made.Condition }),
  }))

const request = fc.record({
  who: fc.constantFrom([ALICE], [BOB], []),
  action: fc.constantFrom('s3:GetObject', 's3:PutObject', 's3:ListBucket', 's3:GetObjectVersion'),
  resource: fc.constantFrom('arn:aws:s3:::b', 'arn:aws:s3:::b/abc', 'arn:aws:s3:::b/x'),
  keys: fc.record({
    's3:prefix': fc.array(word, { maxLength: 1 }),
    's3:RequestObjectTagKeys': fc.array(word, { maxLength: 3 }),
    's3:max-keys': fc.array(number, { maxLength: 1 }),
    'aws:SecureTransport': fc.constantFrom(['true'], ['false']),
    'aws:SourceIp': fc.constantFrom(['10.1.2.3'], ['192.168.0.9'], ['200.1.1.1']),
  }),
})

test('two evaluators that share nothing say the same', () => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(
      fc.array(statement, { minLength: 1, maxLength: 4 }),
      request,
      (statements, asked) => {
        const text = JSON.stringify({ Version: '2012-10-17', Statement: statements })
        const policy = parsePolicy(text, { bucket: 'b' })
        const keys = new Map(
          Object.entries(asked.keys).map(([key, values]) => [key.toLowerCase(), values] as const),
        )
        const said = evaluate(policy, {
          principal: asked.who.length === 0 ? undefined : { own: asked.who, account: [] },
          action: asked.action,
          resource: asked.resource,
          context: {
            get(key) {
              const values = keys.get(key) ?? []
              return values.length === 0 ? undefined : values.length === 1 ? values[0] : values
            },
          },
        })
        seen.set(said, (seen.get(said) ?? 0) + 1)
        expect(said).toBe(decide(statements, asked))
      },
    ),
    { numRuns: RUNS },
  )
  // A generator that hardly ever allows would prove little.
  for (const verdict of ['allow', 'deny', 'none'])
    expect(seen.get(verdict)).toBeGreaterThan(RUNS / 50)
})

test('wildcards match as if every way to split were tried', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 8 })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?'), maxLength: 8 })
  fc.assert(
    fc.property(pattern, text, (source, subject) => {
      const compiled = parsePattern(source, { wild: true, variables: false })
      expect(compiled.matches(subject, { get: () => undefined })).toBe(like(source, subject))
    }),
    { numRuns: RUNS },
  )
})
