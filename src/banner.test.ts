import { expect, test } from 'vitest'
import { banner, isDurable } from './banner.ts'
import { configOf } from './config.ts'
import type { Server } from './server.ts'

const KEY = {
  accessKeyId: 'ACCESS',
  secretAccessKey: 'the-secret',
  userId: 'u',
  displayName: 'root',
  email: undefined,
  isAdmin: true,
  policies: undefined,
}
const SERVER: Server = {
  url: 'http://127.0.0.1:9000',
  controlUrl: undefined,
  credentials: [KEY],
  credentialsFile: '/data/credentials.json',
  reloadTls: () => {},
  close: async () => true,
}

test('secrets that the gateway made are shown with their file, in lines that can be pasted', () => {
  const text = banner(configOf({}), SERVER)
  expect(text).toContain('/data/credentials.json')
  const pasted = text.slice(text.indexOf('  export'))
  expect(pasted.trimEnd().split('\n')).toEqual([
    '  export AWS_ACCESS_KEY_ID=ACCESS AWS_SECRET_ACCESS_KEY=the-secret AWS_DEFAULT_REGION=us-east-1',
    '  aws --endpoint-url http://127.0.0.1:9000 s3 mb s3://demo',
    '  aws --endpoint-url http://127.0.0.1:9000 s3 cp README.md s3://demo/README.md',
    '  aws --endpoint-url http://127.0.0.1:9000 s3 ls s3://demo',
    '  aws --endpoint-url http://127.0.0.1:9000 s3 cp s3://demo/README.md -',
  ])
})

test('secrets that were configured are not shown', () => {
  const text = banner(configOf({}), { ...SERVER, credentialsFile: undefined })
  expect(text).not.toContain('the-secret')
})

test.each([
  ['jsonl', 'fs', 'a 200 means that data and metadata are on stable storage'],
  ['sqlite', 'fs', 'a 200 means that data and metadata are on stable storage'],
  ['memory', 'memory', 'NONE: everything is in memory'],
  ['memory', 'fs', 'NONE: metadata is in memory'],
  ['sqlite', 'memory', 'NONE: storage is in memory'],
] as const)('with %s and %s it says what a 200 means', (metadata, storage, text) => {
  const config = configOf({ metadata: { engine: metadata }, storage: { engine: storage } })
  expect(banner(config, SERVER)).toContain(text)
  expect(isDurable(config)).toBe(!text.startsWith('NONE'))
})
