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
  folder = mkdtempSync(join(tmpdir(), 'sluice-encryption-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const keyOf = (fill: string): string => Buffer.alloc(32, fill).toString('base64')

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

const ARN = 'arn:aws:kms:eu-central-1:111111111111:key/photos'

test('keys come as they are and from files, in their order; the KMS keyring with ARNs and states', async () => {
  write('own.key', `${keyOf('b')}\n`)
  const config = write(
    'keys.yaml',
    `encryption:
  keys: [{id: new, key: ${keyOf('a')}}, {id: old, keyFile: own.key}]
  kms:
    defaultKey: photos
    keys: [{id: photos, arn: '${ARN}', key: ${keyOf('c')}}, {id: gone, key: ${keyOf('d')}, state: disabled}]
`,
  )
  const { encryption } = (await loadConfig({ cwd: '/', flags: { config: join(folder, config) } }))
    .config
  const bytes = (each: { key: { export(): Buffer } }): string =>
    each.key.export().toString('base64')
  expect(encryption.s3.map((each) => [each.id, bytes(each)])).toEqual([
    ['new', keyOf('a')],
    ['old', keyOf('b')],
  ])
  expect(encryption.kms.map(({ id, arn, state }) => [id, arn, state])).toEqual([
    ['photos', ARN, 'enabled'],
    ['gone', undefined, 'disabled'],
  ])
  expect(encryption.kmsDefault).toBe('photos')
})

test('nothing that is printed or inspected tells a key, and what is printed is a configuration', async () => {
  const config = write(
    'print.yaml',
    `encryption: {keys: [{id: one, key: ${keyOf('a')}}], kms: {keys: [{id: two, arn: '${ARN}', key: ${keyOf('c')}}]}}\n`,
  )
  const loaded = await loadConfig({
    cwd: folder,
    flags: { config },
    env: { SLUICE_KMS_DEFAULT_KEY: 'two' },
  })
  const text = printConfig(loaded)
  for (const shown of [text, inspect(loaded.config, { depth: 9 }), JSON.stringify(loaded.config)])
    for (const fill of ['a', 'c']) expect(shown).not.toContain(keyOf(fill).slice(0, 20))
  expect(parse(text)).toMatchObject({
    encryption: {
      keys: [{ id: 'one', key: '***' }],
      kms: { defaultKey: 'two', keys: [{ id: 'two', key: '***', arn: ARN, state: 'enabled' }] },
    },
  })
  expect(text).toMatch(/defaultKey: two +# SLUICE_KMS_DEFAULT_KEY/)
})

test.each<[string, string, string]>([
  ['a short key', 'keys: [{id: a, key: abc}]', '32 bytes in Base64'],
  ['no key', 'keys: [{id: a}]', 'either key or keyFile'],
  ['an id of other characters', `keys: [{id: "a b", key: ${keyOf('a')}}]`, 'a key id has'],
  [
    'the same id twice',
    `keys: [{id: a, key: ${keyOf('a')}}, {id: a, key: ${keyOf('b')}}]`,
    'a is there twice',
  ],
  ['a default that is not there', 'kms: {defaultKey: a}', 'there is no key a among'],
  [
    'an ARN that is none',
    `kms: {keys: [{id: a, arn: nonsense, key: ${keyOf('a')}}]}`,
    'an ARN is written',
  ],
  [
    'an unknown state',
    `kms: {keys: [{id: a, state: on, key: ${keyOf('a')}}]}`,
    'expected one of enabled',
  ],
  ['a file that is not there', 'keys: [{id: a, keyFile: nowhere}]', 'cannot be read (ENOENT)'],
  ['a file without a key', 'keys: [{id: a, keyFile: bad.yaml}]', 'holds no key'],
])('%s is refused where it stands', async (_what, yaml, words) => {
  const config = write('bad.yaml', `encryption: {${yaml}}\n`)
  expect(await problemOf({ flags: { config } })).toContain(words)
})

test('a key file that others may read is warned of', async () => {
  write('loose.key', keyOf('a'), 0o644)
  const config = write('loose.yaml', 'encryption: {keys: [{id: a, keyFile: loose.key}]}\n')
  const { raw } = await loadConfig({ cwd: folder, flags: { config } })
  expect(raw.warnings.join()).toContain(
    'loose.key holds a key, and others than its owner may read it',
  )
})

test('without configuration there are none', () => {
  expect(configOf({}).encryption).toEqual({ s3: [], kms: [] })
})
