import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ConfigError, configOf, loadConfig, type Sources } from './config.ts'
import { printConfig } from './config-print.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-seal-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const KEY = randomBytes(32).toString('base64')
const OTHER = randomBytes(32).toString('base64')

function write(name: string, text: string, mode = 0o600): string {
  writeFileSync(join(folder, name), text)
  chmodSync(join(folder, name), mode)
  return name
}

async function problemOf(sources: Sources): Promise<string> {
  try {
    await loadConfig({ cwd: folder, ...sources })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join('\n')
    throw error
  }
  return ''
}

const sealedYaml = (keys: string, more = ''): string =>
  `storage: {seal: {keys: [${keys}]}}\n${more}`

/** The key's bytes in Base64, by its id. */
function keysOf({ storage }: ReturnType<typeof configOf>): Record<string, string> {
  const keys = storage.seal?.keys ?? []
  return Object.fromEntries(
    keys.map(({ id, key }) => [
      id,
      typeof key === 'string' ? key : key.export().toString('base64'),
    ]),
  )
}

test('keys are read as they are and from files, in their order', async () => {
  write('old.key', `${OTHER}\n`)
  const config = write(
    'c.yaml',
    sealedYaml(`{id: new, key: "${KEY}"}, {id: old, keyFile: old.key}`),
  )
  const loaded = await loadConfig({ cwd: '/', flags: { config: join(folder, config) } })
  expect(loaded.config.storage).toMatchObject({ engine: 'fs' })
  expect(keysOf(loaded.config)).toEqual({ new: KEY, old: OTHER })
  expect(loaded.config.storage.seal?.keys.map(({ id }) => id)).toEqual(['new', 'old'])
  expect(loaded.raw.warnings).toEqual([])
  expect(configOf({}).storage.seal).toBeUndefined()
})

test('the environment puts a key in front, whose id is the same wherever it is named', async () => {
  write('env.key', KEY)
  write('copy.key', `${KEY}\n`)
  const config = write('e.yaml', sealedYaml(`{id: old, key: "${OTHER}"}`))
  const load = (file: string) =>
    loadConfig({ cwd: folder, flags: { config }, env: { SLUICE_SEAL_KEY_FILE: file } })
  const [one, two] = [await load('env.key'), await load('copy.key')]
  const [first, second] = one.config.storage.seal?.keys ?? []
  expect(first?.id).toMatch(/^env-[0-9a-f]{12}$/)
  expect(second?.id).toBe('old')
  expect(two.config.storage.seal?.keys[0]?.id).toBe(first?.id)
  const alone = await loadConfig({ cwd: folder, env: { SLUICE_SEAL_KEY_FILE: 'env.key' } })
  expect(Object.values(keysOf(alone.config))).toEqual([KEY])
})

test('nothing is kept in the metadata where blobs are sealed', async () => {
  const keys = `{id: k, key: "${KEY}"}`
  const limitOf = async (text: string): Promise<number> =>
    (await loadConfig({ cwd: folder, flags: { config: write('l.yaml', text) } })).config.limits
      .inlineMaxBytes
  expect(await limitOf(sealedYaml(keys))).toBe(0)
  expect(await limitOf(sealedYaml(keys, 'limits: {inlineMax: 0}'))).toBe(0)
  expect(await limitOf('port: 1')).toBe(32 * 1024)
  const config = write('l.yaml', sealedYaml(keys, 'limits: {inlineMax: 4KiB}'))
  expect(await problemOf({ flags: { config } })).toMatch(
    /^l\.yaml:2:10: limits\.inlineMax: objects that are kept in the metadata are not sealed/,
  )
  const env = { SLUICE_INLINE_MAX: '1KiB' }
  write('l.yaml', sealedYaml(keys))
  expect(await problemOf({ flags: { config }, env })).toMatch(/^SLUICE_INLINE_MAX: limits/)
})

test.each([
  ['{id: k}', /either key or keyFile/],
  ['{id: k, key: abc}', /a key is 32 bytes in Base64/],
  [`{id: "a b", key: "${KEY}"}`, /a key id has 1 to 32/],
  ['', /sealing needs a key/],
  [`{id: k, key: "${KEY}"}, {id: k, key: "${OTHER}"}`, /the seal key k is there twice/],
  ['{id: k, keyFile: nowhere.key}', /nowhere\.key cannot be read \(ENOENT\)/],
  ['{id: k, keyFile: short.key}', /short\.key holds no key/],
])('keys of %j are refused where they stand', async (keys, message) => {
  write('short.key', 'AAAA')
  const config = write('r.yaml', sealedYaml(keys))
  const problem = await problemOf({ flags: { config } })
  expect(problem).toMatch(message)
  expect(problem).toMatch(/^r\.yaml:1:\d+: /)
})

test('what the environment names wrong is told by its name', async () => {
  const env = { SLUICE_SEAL_KEY_FILE: 'nowhere' }
  expect(await problemOf({ env })).toMatch(/^SLUICE_SEAL_KEY_FILE: .*nowhere cannot be read/)
})

test('a key file that others may read is a warning', async () => {
  write('loose.key', KEY, 0o644)
  const config = write('w.yaml', sealedYaml('{id: k, keyFile: loose.key}'))
  const { raw } = await loadConfig({ cwd: folder, flags: { config } })
  expect(raw.warnings).toEqual([expect.stringMatching(/loose\.key holds a key, and others/)])
})

test('no key is shown, printed or turned into JSON', async () => {
  write('env.key', OTHER)
  const config = write('s.yaml', sealedYaml(`{id: k, key: "${KEY}"}`))
  const env = { SLUICE_SEAL_KEY_FILE: 'env.key' }
  const loaded = await loadConfig({ cwd: folder, flags: { config }, env })
  const text = printConfig(loaded)
  expect(text).toMatch(/- id: k +# s\.yaml:1:\d+$/m)
  expect(text).toMatch(/- id: env-\w+ +# SLUICE_SEAL_KEY_FILE$/m)
  expect(parse(text)).toMatchObject({
    storage: { engine: 'fs', seal: { keys: [{ key: '***' }, { id: 'k', key: '***' }] } },
  })
  for (const shown of [text, JSON.stringify(loaded.config), inspect(loaded.config, { depth: 9 })])
    for (const key of [KEY, OTHER]) expect(shown).not.toContain(key)
  write('again.yaml', text)
  expect(await problemOf({ flags: { config: 'again.yaml' } })).toMatch(/a key is 32 bytes/)
})

test('the SQLite storage is one file in the data folder where no path is set', async () => {
  const env = { SLUICE_STORAGE: 'sqlite' }
  const { config } = await loadConfig({ cwd: folder, env })
  expect(config.storage).toEqual({ engine: 'sqlite', path: join(folder, 'data', 'objects.db') })
})
