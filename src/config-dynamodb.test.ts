/** What the configuration makes of `metadata.engine: dynamodb`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { configOf, type ConfigInput, loadConfig } from './config.ts'
import { printConfig } from './config-print.ts'

function engineOf(metadata: ConfigInput['metadata']): unknown {
  return configOf({ metadata: { engine: 'dynamodb', ...metadata } }).metadata
}

test('nothing but the engine: a table of that name, and the rest as the AWS SDK finds it', () => {
  expect(engineOf({})).toEqual({ engine: 'dynamodb', table: 'sluice' })
})

test('every key has its place', () => {
  const keys = { accessKeyId: 'AKIA', secretAccessKey: 'secret' }
  const place = { table: 'rows-1', region: 'eu-west-1', endpoint: 'http://localhost:8000' }
  expect(engineOf({ ...place, createTable: true, ...keys, cache: { rows: 5 } })).toEqual({
    engine: 'dynamodb',
    ...place,
    createTable: true,
    credentials: keys,
    cache: { rows: 5, ttlMs: 1000 },
  })
})

test('a secret is read from its file, and shown nowhere', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'secret'), 'of-the-file\n')
  const env = { SLUICE_METADATA: 'dynamodb', SLUICE_METADATA_ACCESS_KEY: 'AKIA' }
  const fromFile = await loadConfig({
    cwd: folder,
    env: {
      ...env,
      SLUICE_METADATA_SECRET_KEY_FILE: 'secret',
      SLUICE_METADATA_CREATE_TABLE: 'true',
    },
  })
  expect(fromFile.config.metadata).toMatchObject({
    createTable: true,
    credentials: { accessKeyId: 'AKIA', secretAccessKey: 'of-the-file' },
  })
  const said = await loadConfig({
    cwd: folder,
    env: { ...env, SLUICE_METADATA_SECRET_KEY: 'said-aloud' },
  })
  for (const loaded of [fromFile, said])
    expect(printConfig(loaded)).not.toMatch(/of-the-file|said-aloud/)
})

test.each([
  [{ accessKeyId: 'AKIA' }, 'metadata: accessKeyId and its secret go together'],
  [{ secretAccessKey: 'secret' }, 'metadata: accessKeyId and its secret go together'],
  [
    { accessKeyId: 'AKIA', secretAccessKey: 'secret', secretAccessKeyFile: '/x' },
    'either secretAccessKey or secretAccessKeyFile is meant',
  ],
  [{ table: 'no' }, "a table's name has 3 to 255"],
  [{ endpoint: 'localhost' }, 'an http:// or https:// URL is expected'],
  [{ path: '/rows' }, 'metadata.path means nothing to the engine dynamodb'],
])('%j is refused', (metadata, words) => {
  expect(() => engineOf(metadata)).toThrow(words)
})

test('its keys mean nothing to other engines', () => {
  const metadata = { engine: 'sqlite', table: 'rows' } as const
  expect(() => configOf({ metadata })).toThrow('metadata.table means nothing to the engine sqlite')
})

test('objects above 4 KiB stay out of its rows, unless it is said how large they may be', () => {
  const of = (limits: ConfigInput['limits']): number =>
    configOf({ metadata: { engine: 'dynamodb' }, limits }).limits.inlineMaxBytes
  expect(of({})).toBe(4096)
  expect(of({ inlineMax: '32KiB' })).toBe(32_768)
  expect(of({ inlineMax: 0 })).toBe(0)
})
