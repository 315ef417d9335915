/** What the configuration makes of `metadata.engine: firestore` and `cosmos`, and which keys are whose. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { configOf, type ConfigInput, loadConfig } from './config.ts'
import { printConfig } from './config-print.ts'

function engineOf(metadata: ConfigInput['metadata']): unknown {
  return configOf({ metadata }).metadata
}

const COSMOS = { engine: 'cosmos', endpoint: 'https://a.documents.azure.com', key: 'a2V5' } as const

test('firestore, and nothing else: the default database, and the rest as Google finds it', () => {
  expect(engineOf({ engine: 'firestore' })).toEqual({
    engine: 'firestore',
    database: '(default)',
    collection: 'sluice',
  })
})

test('every key of firestore has its place', () => {
  const keys = { project: 'p', database: 'd', collection: 'c', endpoint: 'http://localhost:8080' }
  const metadata = { engine: 'firestore', ...keys, credentialsFile: 'key.json' } as const
  expect(engineOf({ ...metadata, cache: { rows: 5 } })).toEqual({
    engine: 'firestore',
    ...keys,
    credentialsFile: resolve('key.json'),
    cache: { rows: 5, ttlMs: 1000 },
  })
})

test('every key of cosmos has its place', () => {
  expect(engineOf(COSMOS)).toEqual({ ...COSMOS, database: 'sluice', container: 'sluice' })
  const more = { database: 'd', container: 'c', createContainer: true }
  expect(engineOf({ ...COSMOS, ...more })).toEqual({ ...COSMOS, ...more })
  const { key: _, ...without } = COSMOS
  const identity = { ...without, database: 'd', container: 'c', clientId: 'an-id' }
  expect(engineOf(identity)).toEqual(identity)
})

test('the key of cosmos is read from its file, and shown nowhere', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'key'), 'of-the-file\n')
  const env = {
    SLUICE_METADATA: 'cosmos',
    SLUICE_METADATA_ENDPOINT: 'https://a.documents.azure.com',
    SLUICE_METADATA_CREATE_CONTAINER: 'true',
  }
  const fromFile = await loadConfig({
    cwd: folder,
    env: { ...env, SLUICE_METADATA_KEY_FILE: 'key' },
  })
  expect(fromFile.config.metadata).toMatchObject({ key: 'of-the-file', createContainer: true })
  const said = await loadConfig({ cwd: folder, env: { ...env, SLUICE_METADATA_KEY: 'said-aloud' } })
  for (const loaded of [fromFile, said])
    expect(printConfig(loaded)).not.toMatch(/of-the-file|said-aloud/)
})

test.each<[ConfigInput['metadata'], string]>([
  [{ engine: 'cosmos' }, 'needs metadata.endpoint'],
  [{ ...COSMOS, clientId: 'x' }, 'either a key or the clientId'],
  [{ ...COSMOS, keyFile: '/x' }, 'either key or keyFile is meant'],
  [{ ...COSMOS, container: 'a/b' }, "a container's name"],
  [{ ...COSMOS, path: '/x' }, 'metadata.path means nothing to the engine cosmos'],
  [{ ...COSMOS, table: 'rows' }, 'to the engine cosmos (but to dynamodb)'],
  [{ engine: 'firestore', collection: '__x' }, "a collection's name"],
  [{ engine: 'firestore', key: 'x' }, 'to the engine firestore (but to cosmos)'],
  [{ engine: 'sqlite', database: 'd' }, '(but to postgres, firestore, cosmos)'],
  [{ engine: 'firestore', cache: { rows: 5, ttl: 0 } }, 'firestore is shared'],
])('%j is refused', (metadata, words) => {
  expect(() => engineOf(metadata)).toThrow(words)
})

test('objects above 4 KiB stay out of the rows of cosmos, and those above 32 KiB out of others', () => {
  const of = (metadata: ConfigInput['metadata'], limits?: ConfigInput['limits']): number =>
    configOf({ metadata, limits }).limits.inlineMaxBytes
  expect(of(COSMOS)).toBe(4096)
  expect(of(COSMOS, { inlineMax: '32KiB' })).toBe(32_768)
  expect(of({ engine: 'firestore' })).toBe(32_768)
})
