import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { evaluate } from './policy.ts'
import { parsePolicy, POLICY_BYTES_MAX } from './policy-parse.ts'
import { createPolicyRules } from './policy-rules.ts'

const STATEMENT = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::b/*',
}
const text = (statement: object, more: object = {}): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ ...STATEMENT, ...statement }], ...more })

function refusal(document: string, isStrict = false): string {
  try {
    parsePolicy(document, { bucket: 'b', isStrict })
  } catch (error) {
    if (error instanceof S3Error && error.code === 'MalformedPolicy') return error.message
    throw error
  }
  return 'taken'
}

describe('a bucket’s policy', () => {
  test.each([
    ['', "Policies must be valid JSON and the first byte must be '{'"],
    [' {}', "Policies must be valid JSON and the first byte must be '{'"],
    ['{"a', "Policies must be valid JSON and the first byte must be '{'"],
    ['[]', "Policies must be valid JSON and the first byte must be '{'"],
    ['{}', 'Missing required field Statement'],
    ['{"Version":"2012-10-17"}', 'Missing required field Statement'],
    [text({}, { Version: '2020-01-01' }), 'The policy must contain a valid version string'],
    [text({}, { Statement: [] }), 'Could not parse the policy: Statement is empty!'],
    [text({}, { Statement: ['x'] }), 'Statement has to be an object'],
    [text({}, { Extra: 1 }), 'Unknown field Extra'],
    [text({ Extra: 1 }), 'Unknown field Extra'],
    [text({ Sid: 1 }), 'Invalid Sid'],
    [text({ Effect: undefined }), 'Missing required field Effect'],
    [text({ Effect: 'allow' }), 'Invalid effect: "allow"'],
    [text({ Principal: undefined }), 'Missing required field Principal'],
    [text({ Principal: 'alice' }), 'Invalid principal in policy'],
    [text({ Principal: {} }), 'Invalid principal in policy'],
    [text({ Principal: { AWS: 'alice' } }), 'Invalid principal in policy'],
    [text({ Principal: { AWS: 'arn:aws:iam::1:user/*' } }), 'Invalid principal in policy'],
    [text({ Principal: { AWS: [] } }), 'Invalid principal in policy'],
    [text({ Principal: { Somebody: '*' } }), 'Invalid principal in policy'],
    [text({ Principal: { CanonicalUser: '*' } }), 'Invalid principal in policy'],
    [text({ NotPrincipal: '*' }), 'Statement has both Principal and NotPrincipal'],
    [text({ Principal: undefined, NotPrincipal: '*' }), 'Allow with NotPrincipal is not allowed'],
    [text({ Action: undefined }), 'Missing required field Action'],
    [text({ Action: [] }), 'Missing required field Action cannot be empty!'],
    [text({ Action: 5 }), 'Policy has invalid action'],
    [text({ Action: 's3:GetObjekt' }), 'Policy has invalid action'],
    [text({ Action: 'ec2:RunInstances' }), 'Policy has invalid action'],
    [text({ Action: 'GetObject' }), 'Policy has invalid action'],
    [text({ NotAction: 's3:PutObject' }), 'Statement has both Action and NotAction'],
    [text({ Effect: 'Deny', Resource: undefined }), 'Missing required field Resource'],
    [text({ Resource: 'b/*' }), 'Policy has invalid resource'],
    [text({ Resource: 'arn:aws:s3:::c/*' }), 'Policy has invalid resource'],
    [text({ Resource: 'arn:aws:s3:::bb' }), 'Policy has invalid resource'],
    [text({ Resource: 'arn:aws:sqs:::b' }), 'Policy has invalid resource'],
    [text({ Resource: 'arn:aws:s3:::b/${aws:username' }), 'Policy has invalid resource'],
    [text({ Condition: [] }), 'Conditions must be of the form {"operator": {"key": "value"}}'],
    [
      text({ Condition: { Bool: 'x' } }),
      'Conditions must be of the form {"operator": {"key": "value"}}',
    ],
    [
      text({ Condition: { Bool: { 'aws:SecureTransport': [] } } }),
      'Conditions must be of the form {"operator": {"key": "value"}}',
    ],
    [text({ Condition: { Same: { 'aws:username': 'a' } } }), 'Invalid Condition type : Same'],
    [
      text({ Condition: { 'ForAllValues:Null': { 'aws:username': 'true' } } }),
      'Invalid Condition type : ForAllValues:Null',
    ],
    [
      text({ Condition: { StringEquals: { 's3:nothing': 'a' } } }),
      'Policy has an invalid condition key',
    ],
    [
      text({ Condition: { StringEquals: { 'x-amz-acl': 'a' } } }),
      'Policy has an invalid condition key',
    ],
    [
      text({ Condition: { Bool: { 'aws:SecureTransport': 'yes' } } }),
      'Invalid Condition value : yes',
    ],
    [text({ Condition: { Null: { 'aws:username': 'no' } } }), 'Invalid Null value : no'],
    [
      text({ Condition: { NumericEquals: { 's3:max-keys': 'ten' } } }),
      'Invalid Condition value : ten',
    ],
    [
      text({ Condition: { DateLessThan: { 'aws:CurrentTime': 'soon' } } }),
      'Invalid Condition value : soon',
    ],
    [
      text({ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/33' } } }),
      'Invalid IP address or range : 10.0.0.0/33',
    ],
    [text({ Condition: { ArnLike: { 'aws:PrincipalArn': 'alice' } } }), 'Invalid ARN : alice'],
    ['{"Statement":[],"Statement":[]}', 'The field Statement is there twice'],
    [
      text({}).replace(
        '"Effect":"Allow"',
        '"Effect":"Allow","Condition":{"Bool":{"aws:SecureTransport":"true"},"Bool":{}}',
      ),
      'The field Bool is there twice',
    ],
  ])('%s: %s', (document, message) => {
    expect(refusal(document)).toBe(message)
  })

  test('may be as long as S3 takes it, and no longer', () => {
    const of = (length: number): string => {
      const short = text({ Sid: '' })
      return text({ Sid: 'x'.repeat(length - short.length) })
    }
    expect(refusal(of(POLICY_BYTES_MAX))).toBe('taken')
    expect(refusal(of(POLICY_BYTES_MAX + 1))).toContain('maximum allowed size of 20480 bytes')
  })

  test.each([
    text({
      Resource: ['arn:aws:s3:::*', 'arn:aws:s3:::*/*', '*', 'arn:aws:s3:::b*', 'arn:aws:s3:::?'],
    }),
    text({ Principal: { AWS: ['123456789012', 'arn:aws:sts::1:assumed-role/r/s', '*'] } }),
    text({ Action: ['s3:*', '*', 'S3:getobject', 's3:Get*Acl'] }),
    text({}, { Version: undefined, Id: 'an id' }),
    JSON.stringify({ Statement: STATEMENT }),
    text({ Principal: undefined, NotPrincipal: { AWS: '123456789012' }, Effect: 'Deny' }),
  ])('is taken: %s', (document) => {
    expect(refusal(document)).toBe('taken')
  })

  test('of today has no statement that can never mean anything', () => {
    const idle = 'Action does not apply to any resource(s) in statement'
    const bucketOnly = text({ Resource: 'arn:aws:s3:::b' })
    expect(refusal(bucketOnly)).toBe('taken')
    expect(refusal(bucketOnly, true)).toBe(idle)
    expect(refusal(text({ Action: 's3:ListBucket' }), true)).toBe(idle)
    expect(
      refusal(
        text({
          Action: ['s3:ListBucket', 's3:GetObject'],
          Resource: ['arn:aws:s3:::b', 'arn:aws:s3:::b/*'],
        }),
        true,
      ),
    ).toBe('taken')
  })

  test('that is anything at all is understood or refused, and never breaks', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((json) => `{"Statement":${json}}`),
        ),
        (document) => {
          expect(refusal(document)).not.toBe('')
        },
      ),
      { numRuns: Number(process.env['SLUICE_FUZZ_RUNS'] ?? 2000) },
    )
  })
})

test('a policy of a user’s own names nobody, and may speak of other services', () => {
  const parse = (statement: object) => () =>
    parsePolicy(
      JSON.stringify({ Statement: { Effect: 'Allow', Action: '*', Resource: '*', ...statement } }),
      { bucket: undefined },
    )
  expect(parse({})).not.toThrow()
  expect(
    parse({ Action: ['ec2:Run*', 's3:GetObject'], Condition: { StringEquals: { 'my:key': 'x' } } }),
  ).not.toThrow()
  expect(parse({ Principal: '*' })).toThrow('should not specify a principal')
})

describe('public', () => {
  const isPublic = (statement: object): boolean =>
    createPolicyRules(false).check(text(statement), 'b').isPublic
  const bound = (operator: string, key: string, value: string | string[]): boolean =>
    isPublic({ Condition: { [operator]: { [key]: value } } })

  test('is what lets everybody in', () => {
    expect(isPublic({})).toBe(true)
    expect(isPublic({ Principal: { AWS: '*' } })).toBe(true)
    expect(isPublic({ Principal: { AWS: ['123456789012', '*'] } })).toBe(true)
    expect(isPublic({ Effect: 'Deny' })).toBe(false)
    expect(isPublic({ Principal: { AWS: '123456789012' } })).toBe(false)
  })

  test('is not what is bound to fixed values of a key that strangers cannot choose', () => {
    expect(bound('IpAddress', 'aws:SourceIp', '10.0.0.0/32')).toBe(false)
    expect(bound('StringEquals', 'aws:SourceVpc', 'vpc-1')).toBe(false)
    expect(bound('ForAnyValue:StringEquals', 'aws:PrincipalOrgID', 'o-1')).toBe(false)
    expect(bound('IpAddress', 'aws:SourceIp', ['10.0.0.0/32', '0.0.0.0/1'])).toBe(true)
    expect(bound('StringLike', 'aws:SourceVpc', 'vpc-*')).toBe(true)
    expect(bound('StringNotEquals', 'aws:SourceVpc', 'vpc-1')).toBe(true)
    expect(bound('StringEqualsIfExists', 'aws:SourceVpc', 'vpc-1')).toBe(true)
    expect(bound('ForAllValues:StringEquals', 'aws:SourceVpc', 'vpc-1')).toBe(true)
    expect(bound('StringEquals', 'aws:Referer', 'https://a')).toBe(true)
    expect(bound('StringEquals', 's3:prefix', 'a')).toBe(true)
  })
})

test('whoever may put objects opens the bucket to objects of others', () => {
  const opens = (Action: string | string[], Effect = 'Allow'): boolean =>
    createPolicyRules(false).check(text({ Action, Effect }), 'b').opensToWriters
  expect(opens('s3:GetObject')).toBe(false)
  expect(opens('s3:Put*')).toBe(true)
  expect(opens('*')).toBe(true)
  expect(opens('s3:PutObject', 'Deny')).toBe(false)
})

test('20 statements are judged in less than 10 us', () => {
  const statements = Array.from({ length: 20 }, (_, n) => ({
    Effect: n % 4 === 0 ? 'Deny' : 'Allow',
    Principal: {
      AWS: [`arn:aws:iam::11111111111${n % 10}:user/u${n}`, `arn:aws:iam:::user/u${n}`],
    },
    Action: ['s3:GetObject', 's3:Put*'],
    Resource: [`arn:aws:s3:::b/team-${n}/*`, `arn:aws:s3:::b/*/shared-${n}-*.bin`],
    Condition: {
      StringLike: { 'aws:Referer': ['https://*.example.com/*', 'https://example.org/*'] },
      IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '192.168.0.0/16'] },
    },
  }))
  const policy = parsePolicy(JSON.stringify({ Statement: statements }), { bucket: 'b' })
  const question = {
    principal: { own: ['arn:aws:iam:::user/u19'], account: [] },
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::b/a/long/way/to/the/shared-19-object.bin',
    context: {
      get: (key: string) => (key === 'aws:sourceip' ? '10.1.2.3' : 'https://www.example.com/page'),
    },
  }
  expect(evaluate(policy, question)).toBe('allow')
  const runs = 2000
  let best = Infinity
  for (let round = 0; round < 10; round++) {
    const begin = process.cpuUsage()
    for (let run = 0; run < runs; run++) evaluate(policy, question)
    const { user } = process.cpuUsage(begin)
    best = Math.min(best, user / runs)
  }
  expect(best).toBeLessThan(10)
})
