import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConfigError, configOf, type Loaded, loadConfig } from './config.ts'
import { printConfig } from './config-print.ts'
import { needsFolder } from './server-choices.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-config-clouds-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function load(text: string, env: Readonly<Record<string, string>> = {}): Promise<Loaded> {
  writeFileSync(join(folder, 'c.yaml'), text)
  return loadConfig({ cwd: folder, flags: { config: 'c.yaml' }, env })
}

test('the keys of gcs become the options of its engine, the file relative to where it was said', async () => {
  const { config } = await load(
    'storage: {engine: gcs, bucket: b, prefix: gw/, endpoint: "http://e:4443", credentialsFile: key.json, maxAttempts: 2}',
  )
  expect(config.storage).toEqual({
    engine: 'gcs',
    bucket: 'b',
    prefix: 'gw/',
    endpoint: 'http://e:4443',
    credentialsFile: join(folder, 'key.json'),
    maxAttempts: 2,
  })
})

test('the keys of azure become the options of its engine, secrets read from their files', async () => {
  writeFileSync(join(folder, 'key'), 'a2V5IG9mIHRoZSBhY2NvdW50\n')
  const { config } = await load(
    'storage: {engine: azure, container: blobs, account: acc, accountKeyFile: key, prefix: gw/, checksum: md5}',
  )
  expect(config.storage).toEqual({
    engine: 'azure',
    container: 'blobs',
    account: 'acc',
    accountKey: 'a2V5IG9mIHRoZSBhY2NvdW50',
    prefix: 'gw/',
    checksum: 'md5',
  })
  writeFileSync(join(folder, 'text'), 'AccountName=acc;AccountKey=AAAA')
  const whole = await load('storage: {engine: azure, container: blobs, connectionStringFile: text}')
  expect(whole.config.storage).toMatchObject({
    connectionString: 'AccountName=acc;AccountKey=AAAA',
  })
})

test('the environment says all of them too', async () => {
  const gcs = await load('{}', {
    SLUICE_STORAGE: 'gcs',
    SLUICE_STORAGE_BUCKET: 'b',
    SLUICE_STORAGE_CREDENTIALS_FILE: '/run/key.json',
  })
  expect(gcs.config.storage).toMatchObject({ bucket: 'b', credentialsFile: '/run/key.json' })
  const azure = await load('{}', {
    SLUICE_STORAGE: 'azure',
    SLUICE_STORAGE_CONTAINER: 'blobs',
    SLUICE_STORAGE_ACCOUNT: 'acc',
    SLUICE_STORAGE_CLIENT_ID: 'an-identity',
  })
  expect(azure.config.storage).toMatchObject({ account: 'acc', clientId: 'an-identity' })
})

test('what is printed shows where the blobs are, and no secret', async () => {
  for (const secret of [
    'account: acc, accountKey: not-to-be-shown',
    'connectionString: not-to-be-shown',
  ]) {
    const text = printConfig(await load(`storage: {engine: azure, container: my-blobs, ${secret}}`))
    expect(text).toMatch(/^ {2}container: my-blobs +# c\.yaml:1:\d+$/m)
    expect(text).not.toContain('not-to-be-shown')
  }
})

test.each([
  ['engine: gcs', /storage\.bucket: is missing: gcs/],
  [
    'engine: gcs, bucket: b, region: x',
    /storage\.region means nothing to the engine gcs \(but to s3\)/,
  ],
  ['engine: azure, account: acc', /storage\.container: is missing/],
  ['engine: azure, container: blobs', /needs an account, or a connectionString/],
  ['engine: azure, container: Blobs, account: acc', /a container's name has/],
  ['engine: azure, container: blobs, account: acc, checksum: crc32', /azure knows crc64 and md5/],
  ['engine: s3, bucket: b, checksum: crc64', /s3 knows crc32 and md5/],
  ['engine: azure, container: blobs, account: acc, accountKey: k, accountKeyFile: f', /not both/],
  [
    'engine: azure, container: blobs, account: acc, accountKey: k, clientId: c',
    /is meant, not both/,
  ],
  ['engine: azure, container: blobs, account: acc, connectionString: x', /account is one too many/],
  ['engine: azure, container: blobs, account: acc, bucket: b', /means nothing to the engine azure/],
  ['engine: fs, container: blobs', /storage\.container means nothing to the engine fs/],
  ['engine: s3, bucket: b, path: x', /storage\.path means nothing to the engine s3/],
])('%s is refused where it is wrong', async (keys, expected) => {
  const loading = load(`storage: {${keys}}`)
  await expect(loading).rejects.toBeInstanceOf(ConfigError)
  await expect(loading).rejects.toThrow(/^c\.yaml:1:/)
  await expect(loading).rejects.toThrow(expected)
})

test.each([
  { engine: 's3', bucket: 'blobs' },
  { engine: 'gcs', bucket: 'blobs' },
  { engine: 'azure', container: 'blobs', account: 'acc' },
] as const)('no folder is asked for where both stores are elsewhere: %o', (storage) => {
  const credentials = [{ accessKeyId: 'AKIA1', secretAccessKey: 'a secret of somebody' }]
  const metadata = { engine: 'postgres', url: 'postgres://u:p@h/d' } as const
  expect(needsFolder(configOf({ metadata, storage, credentials }))).toBe(false)
  expect(needsFolder(configOf({ metadata, storage }))).toBe(true)
  expect(needsFolder(configOf({ storage, credentials }))).toBe(true)
})
