import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ConfigError, configOf, loadConfig } from './config.ts'
import { printConfig } from './config-print.ts'
import { needsFolder } from './server-choices.ts'

const URL_WITH_SECRET = 'postgres://u:url-secret@db.example.com/rows'

async function problemsOf(env: Record<string, string>): Promise<readonly string[]> {
  const error: unknown = await loadConfig({ env: { SLUICE_METADATA: 'postgres', ...env } }).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof ConfigError)) throw new Error('no problem was found', { cause: error })
  return error.problems
}

test('without a word more it is the local server, with names of our own', () => {
  expect(configOf({ metadata: { engine: 'postgres' } }).metadata).toEqual({
    engine: 'postgres',
    host: 'localhost',
    port: 5432,
    database: 'sluice',
    user: 'sluice',
    schema: 'sluice',
    poolSize: 16,
  })
})

test('a URL says it all, and single keys beat it', async () => {
  const { config } = await loadConfig({
    env: {
      SLUICE_METADATA: 'postgres',
      SLUICE_METADATA_URL: URL_WITH_SECRET,
      SLUICE_METADATA_PASSWORD: 'other',
      SLUICE_METADATA_POOL_SIZE: '3',
    },
  })
  expect(config.metadata).toEqual({
    engine: 'postgres',
    url: URL_WITH_SECRET,
    password: 'other',
    schema: 'sluice',
    poolSize: 3,
  })
})

test('a password stands in a file of its own, without the line break behind it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-postgres-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'password'), 'short \n')
  const sources = { SLUICE_METADATA_PASSWORD_FILE: 'password' }
  const { config } = await loadConfig({
    cwd: folder,
    env: { SLUICE_METADATA: 'postgres', ...sources },
  })
  expect(config.metadata).toMatchObject({ password: 'short ' })
  expect(await problemsOf({ ...sources, SLUICE_METADATA_PASSWORD: 'x' })).toEqual([
    expect.stringContaining('one of them is meant'),
  ])
  expect(await problemsOf({ SLUICE_METADATA_PASSWORD_FILE: join(folder, 'none') })).toEqual([
    expect.stringContaining('cannot be read (ENOENT)'),
  ])
})

test('what is wrong is said with its place, and no secret', async () => {
  expect(await problemsOf({ SLUICE_METADATA_URL: 'mysql://u:url-secret@h/d' })).toEqual([
    'SLUICE_METADATA_URL: metadata.url: postgres://user:password@host:5432/database is expected',
  ])
  expect(await problemsOf({ SLUICE_METADATA_PATH: '/tmp/x' })).toEqual([
    'SLUICE_METADATA_PATH: metadata.path means nothing to the engine postgres',
  ])
  expect(
    await problemsOf({ SLUICE_METADATA: 'sqlite', SLUICE_METADATA_URL: URL_WITH_SECRET }),
  ).toEqual([
    'SLUICE_METADATA_URL: metadata.url means nothing to the engine sqlite (but to postgres)',
  ])
  expect(await problemsOf({ SLUICE_METADATA_CA_FILE: '/ca.pem' })).toEqual([
    expect.stringContaining('metadata.tls: verify'),
  ])
  expect(await problemsOf({ SLUICE_METADATA_SCHEMA: 'pg_x' })).toEqual([
    expect.stringContaining('does not begin with pg_'),
  ])
  expect(() => configOf({ metadata: { engine: 'postgres', pasword: 'x' } as object })).toThrow(
    /unknown key pasword.*password/,
  )
})

test('what is shown has neither the password nor the URL that holds it', async () => {
  const text = printConfig(
    await loadConfig({
      env: {
        SLUICE_METADATA: 'postgres',
        SLUICE_METADATA_URL: URL_WITH_SECRET,
        SLUICE_METADATA_PASSWORD: 'other-secret',
      },
    }),
  )
  expect(text).toMatch(/^ {2}url: "\*\*\*" +# SLUICE_METADATA_URL$/m)
  expect(text).not.toMatch(/url-secret|other-secret/)
})

test('nothing is kept in the data folder but credentials that were not given', () => {
  const credentials = [{ accessKeyId: 'abc', secretAccessKey: 'abcdefgh' }]
  const metadata = { engine: 'postgres' as const }
  const storage = { engine: 'memory' as const }
  expect(needsFolder(configOf({ metadata, storage, credentials }))).toBe(false)
  const s3 = { engine: 's3' as const, bucket: 'blobs' }
  expect(needsFolder(configOf({ metadata, storage: s3, credentials }))).toBe(false)
  expect(needsFolder(configOf({ metadata, storage }))).toBe(true)
  expect(needsFolder(configOf({ metadata, credentials }))).toBe(true)
})

test('where metadata are shared, deleted bytes stay an hour for downloads from other gateways', () => {
  const grace = (engine: 'postgres' | 'sqlite', sweep = {}): number =>
    configOf({ metadata: { engine }, sweep }).sweepGraceMs
  expect([grace('sqlite'), grace('postgres')]).toEqual([60_000, 3_600_000])
  expect([grace('sqlite', { grace: '2h' }), grace('postgres', { grace: '2h' })]).toEqual([
    7_200_000, 7_200_000,
  ])
})
