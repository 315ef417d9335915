import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConfigError, configOf, loadConfig } from './config.ts'
import { printConfig } from './config-print.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-config-s3-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function load(text: string, env: Readonly<Record<string, string>> = {}) {
  writeFileSync(join(folder, 's3.yaml'), text)
  return loadConfig({ cwd: folder, flags: { config: 's3.yaml' }, env })
}

test('the keys of s3 become the options of its engine, the secret read from its file', async () => {
  writeFileSync(join(folder, 'secret'), 'the secret itself\n')
  const { config } = await load(
    'storage: {engine: s3, bucket: b, prefix: gw/, endpoint: "https://m:9000", pathStyle: true, accessKeyId: AKIA1, secretAccessKeyFile: secret, maxAttempts: 2, checksum: md5}',
  )
  expect(config.storage).toEqual({
    engine: 's3',
    bucket: 'b',
    prefix: 'gw/',
    endpoint: 'https://m:9000',
    pathStyle: true,
    accessKeyId: 'AKIA1',
    secretAccessKey: 'the secret itself',
    maxAttempts: 2,
    checksum: 'md5',
  })
})

test('the environment says all of them too', async () => {
  const { config } = await load('{}', {
    SLUICE_STORAGE: 's3',
    SLUICE_STORAGE_BUCKET: 'b',
    SLUICE_STORAGE_PATH_STYLE: 'true',
    SLUICE_STORAGE_MAX_ATTEMPTS: '7',
    SLUICE_STORAGE_ACCESS_KEY: 'AKIA2',
    SLUICE_STORAGE_SECRET_KEY: 'from the environment',
  })
  expect(config.storage).toMatchObject({
    bucket: 'b',
    pathStyle: true,
    maxAttempts: 7,
    accessKeyId: 'AKIA2',
    secretAccessKey: 'from the environment',
  })
})

test('what is printed shows where the blobs are, and no secret', async () => {
  const text = printConfig(
    await load(
      'storage: {engine: s3, bucket: my-blobs, accessKeyId: AKIA3, secretAccessKey: not-to-be-shown}',
    ),
  )
  expect(text).toMatch(/^ {2}bucket: my-blobs +# s3\.yaml:1:\d+$/m)
  expect(text).toMatch(/^ {2}secretAccessKey: "\*\*\*"/m)
  expect(text).not.toContain('not-to-be-shown')
})

test.each([
  ['engine: s3', /storage\.bucket: is missing/],
  ['engine: s3, bucket: b, accessKeyId: x', /go together: one is unset/],
  ['engine: s3, bucket: b, secretAccessKey: xxxxxxxx', /go together: one is unset/],
  ['engine: s3, bucket: b, accessKeyId: x, secretAccessKey: y, secretAccessKeyFile: z', /not both/],
  ['engine: s3, bucket: b, endpoint: minio', /endpoint: an http:\/\/ or https:\/\/ URL/],
  ['engine: s3, bucket: b, prefix: "a b"', /prefix is written in/],
  ['engine: s3, bucket: b, maxAttempts: 0', /maxAttempts/],
])('%s is refused where it is wrong', async (keys, expected) => {
  const loading = load(`storage: {${keys}}`)
  await expect(loading).rejects.toBeInstanceOf(ConfigError)
  await expect(loading).rejects.toThrow(/^s3\.yaml:1:/)
  await expect(loading).rejects.toThrow(expected)
})

test('other engines are as they were', () => {
  expect(configOf({ storage: { engine: 'memory' } }).storage).toEqual({ engine: 'memory' })
})
