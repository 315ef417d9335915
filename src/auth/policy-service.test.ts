import { expect, test } from 'vitest'
import type { ServiceAct } from '../api/facts.ts'
import { createPolicyRules } from './policy-rules.ts'
import { accountOf } from './user.ts'

const ACT: ServiceAct = {
  service: 'logging.s3.amazonaws.com',
  action: 's3:PutObject',
  bucket: 'logs',
  key: 'log/',
  sourceBucket: 'b',
  sourceOwner: 'owner-id',
}

function lets(statement: object, act: Partial<ServiceAct> = {}): boolean {
  const whole = {
    Effect: 'Allow',
    Principal: { Service: 'logging.s3.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: 'arn:aws:s3:::logs/log/*',
    ...statement,
  }
  const text = JSON.stringify({ Version: '2012-10-17', Statement: [whole] })
  return createPolicyRules(false).lets(text, { ...ACT, ...act })
}

test('a service does what a policy allows to it by its name', () => {
  expect(lets({})).toBe(true)
  expect(lets({}, { service: 'other.amazonaws.com' })).toBe(false)
  expect(lets({}, { key: 'elsewhere' })).toBe(false)
  expect(lets({ Action: 's3:GetObject' })).toBe(false)
})

test('what is allowed to everybody is not allowed to a service', () => {
  expect(lets({ Principal: '*' })).toBe(false)
  expect(lets({ Principal: { AWS: '*' } })).toBe(false)
})

test('a policy can ask for whom the service acts: for which bucket, and whose', () => {
  const given = (Condition: object): boolean => lets({ Condition })
  expect(given({ ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::b' } })).toBe(true)
  expect(given({ ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::c' } })).toBe(false)
  expect(given({ StringEquals: { 'aws:SourceAccount': 'owner-id' } })).toBe(true)
  expect(given({ StringEquals: { 'aws:SourceAccount': accountOf('owner-id') } })).toBe(true)
  expect(given({ StringEquals: { 'aws:SourceAccount': 'somebody' } })).toBe(false)
})

test('a Deny to everybody is one to services too', () => {
  const Statement = [
    {
      Effect: 'Allow',
      Principal: { Service: ACT.service },
      Action: 's3:*',
      Resource: 'arn:aws:s3:::logs/*',
    },
    { Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::logs/*' },
  ]
  expect(createPolicyRules(false).lets(JSON.stringify({ Statement }), ACT)).toBe(false)
})

test('a statement without a resource allows nothing, and is none in the strict profile or a Deny', () => {
  const { Resource: _none, ...rest } = { Resource: undefined, Effect: 'Allow', Principal: '*' }
  const text = (effect: string): string =>
    JSON.stringify({ Statement: [{ ...rest, Effect: effect, Action: 's3:PutBucketLogging' }] })
  expect(createPolicyRules(false).check(text('Allow'), 'logs').opensToWriters).toBe(false)
  expect(() => createPolicyRules(false).check(text('Deny'), 'logs')).toThrow('Resource')
  expect(() => createPolicyRules(true).check(text('Allow'), 'logs')).toThrow('Resource')
})
