import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import {
  ConfigError,
  type ConfigInput,
  configOf,
  loadConfig,
  type Sources,
  userIdOf,
} from './config.ts'
import { OPTIONS } from './config-options.ts'
import { printConfig } from './config-print.ts'
import { jsonSchema } from './config-schema.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return name
}

async function problemsOf(sources: Sources): Promise<readonly string[]> {
  try {
    await loadConfig({ cwd: folder, ...sources })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('precedence', () => {
  test('a flag beats the environment, which beats the file, which beats the default', async () => {
    const config = write('p.yaml', 'port: 1\nhost: file\nregion: file\n')
    const loaded = await loadConfig({
      cwd: folder,
      flags: { config, port: '3' },
      env: { SLUICE_PORT: '2', SLUICE_HOST: 'env' },
    })
    expect(loaded.config).toMatchObject({ port: 3, host: 'env', region: 'file', etag: 'md5' })
    expect(loaded.raw.origin(['port'])).toBe('--port')
    expect(loaded.raw.origin(['host'])).toBe('SLUICE_HOST')
    expect(loaded.raw.origin(['region'])).toBe('p.yaml:3:1')
    expect(loaded.raw.origin(['etag'])).toBeUndefined()
  })

  test('the file is named by SLUICE_CONFIG too', async () => {
    const config = write('e.yaml', 'port: 7\n')
    const loaded = await loadConfig({ cwd: folder, env: { SLUICE_CONFIG: config } })
    expect(loaded.config.port).toBe(7)
  })

  test('nothing said: 127.0.0.1:9000, SQLite and files under ./data, us-east-1', async () => {
    const { config } = await loadConfig({ cwd: folder })
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 9000,
      data: join(folder, 'data'),
      region: 'us-east-1',
      metadata: { engine: 'sqlite', path: join(folder, 'data/metadata/rows.db') },
      storage: { engine: 'fs', path: join(folder, 'data/objects') },
      limits: { maxObjectSizeBytes: 5 * 2 ** 30, minPartSizeBytes: 5 * 2 ** 20 },
      abandonedUploadsMs: 7 * 86_400_000,
      shutdownTimeoutMs: 30_000,
      credentials: [],
    })
  })

  test('engines have places of their own below the data folder, and a cache only where rows are kept', async () => {
    expect(configOf({ data: '/d', metadata: { engine: 'jsonl' } }).metadata).toEqual({
      engine: 'jsonl',
      path: '/d/metadata/jsonl',
    })
    const cache = { rows: 5000, ttl: '500ms' }
    expect(configOf({ data: '/d', metadata: { engine: 'sqlite', cache } }).metadata).toEqual({
      engine: 'sqlite',
      path: '/d/metadata/rows.db',
      cache: { rows: 5000, ttlMs: 500 },
    })
  })

  test('rows are not kept for ever before an engine that others write to', async () => {
    const url = 'postgres://user:password@localhost/rows'
    const cache = { rows: 5000, ttl: '0' }
    const input = { metadata: { engine: 'postgres', url, cache } } as ConfigInput
    expect(() => configOf(input)).toThrow(/metadata\.cache\.ttl: 0 is for engines of one gateway/)
  })

  test('paths of the file start at the file, those of flags at the current folder', async () => {
    const config = write('paths.yaml', 'data: there\ntls: {cert: c.pem, key: /k.pem}\n')
    const loaded = await loadConfig({ cwd: '/elsewhere', flags: { config: join(folder, config) } })
    expect(loaded.config.data).toBe(join(folder, 'there'))
    expect(loaded.config.tls).toEqual({ cert: join(folder, 'c.pem'), key: '/k.pem' })
    const flagged = await loadConfig({ cwd: '/elsewhere', flags: { data: 'here' } })
    expect(flagged.config.data).toBe('/elsewhere/here')
  })
})

describe('errors', () => {
  test('each problem of the file is told with its line and column', async () => {
    const config = write(
      'bad.yaml',
      `prot: 5
log:
  levle: info
  format: jsn
limits:
  maxObjectSize: 5XiB
credentials:
  - accessKeyId: ab
buckets: [good-name, Bad_Name]
shutdownTimeout: 30
tls: {cert: x.pem}
`,
    )
    expect(await problemsOf({ flags: { config } })).toEqual([
      'bad.yaml:1:1: unknown key prot (did you mean port?)',
      'bad.yaml:3:3: unknown key levle (did you mean level?)',
      'bad.yaml:4:3: log.format: expected one of auto, text, json',
      'bad.yaml:6:3: limits.maxObjectSize: "5XiB" is not a size: write a number and a unit, such as 64KiB or 5GiB',
      'bad.yaml:8:5: credentials[0]: a credential needs either secretAccessKey or secretAccessKeyFile',
      'bad.yaml:8:5: credentials[0].accessKeyId: an access key has 3 to 128 letters, digits, "_", "." and "-"',
      'bad.yaml:9:22: buckets[1]: a bucket name has 3 to 63 characters of a-z, 0-9, "." and "-", and begins and ends with a letter or digit',
      'bad.yaml:10:1: shutdownTimeout: "30" is not a duration: write a number and a unit, such as 30s or 7d',
      'bad.yaml:11:1: tls.key: is missing',
    ])
  })

  test.each([
    ['a: [1\n', /^y\.yaml:\d+:\d+: /],
    ['port: 1\nport: 2\n', /^y\.yaml:2:1: .*unique/],
    ['- a\n', /^y\.yaml:1:1: a map of settings is expected/],
    ['port: "9000"\n', /^y\.yaml:1:1: port: expected number/],
  ])('a file of %j is refused where it is wrong', async (text, expected) => {
    const config = write('y.yaml', text)
    expect((await problemsOf({ flags: { config } })).join('\n')).toMatch(expected)
  })

  test('a file that is not there is one line', async () => {
    expect(await problemsOf({ flags: { config: 'no.yaml' } })).toEqual([
      'no.yaml: cannot be read (ENOENT)',
    ])
  })

  test('what a variable or a flag says wrong is told by its name', async () => {
    expect(await problemsOf({ env: { SLUICE_PORT: 'x' } })).toEqual([
      'SLUICE_PORT: "x" is not a whole number',
    ])
    expect(await problemsOf({ flags: { port: '70000' } })).toEqual([
      expect.stringMatching(/^--port: port: too big/),
    ])
    expect(await problemsOf({ env: { SLUICE_BUCKETS: 'ok-ok,NO' } })).toEqual([
      expect.stringMatching(/^SLUICE_BUCKETS: buckets\[1\]: a bucket name/),
    ])
    expect(await problemsOf({ env: { SLUICE_METRICS_AUTH: 'token' } })).toEqual([
      'SLUICE_METRICS_AUTH: metrics.auth: token needs a token or a tokenFile',
    ])
  })

  test('a mistyped variable is a warning, what Kubernetes sets for a service is nothing', async () => {
    const { raw, config } = await loadConfig({
      cwd: folder,
      env: {
        SLUICE_PROT: '1',
        SLUICE_PORT: 'tcp://10.0.0.1:9000',
        SLUICE_SERVICE_HOST: '10.0.0.1',
        SLUICE_PORT_9000_TCP: 'tcp://10.0.0.1:9000',
      },
    })
    expect(raw.warnings).toEqual(['SLUICE_PROT is not a setting (did you mean SLUICE_PORT?)'])
    expect(config.port).toBe(9000)
  })
})

describe('credentials', () => {
  test('come from the environment, and stand before those of the file', async () => {
    const config = write('c.yaml', 'credentials: [{accessKeyId: other, secretAccessKey: 12345678}]')
    expect(await problemsOf({ flags: { config } })).toHaveLength(1) // A number is no secret.
    write(
      'c.yaml',
      'credentials: [{accessKeyId: other, secretAccessKey: "12345678", displayName: o}]',
    )
    const { config: made } = await loadConfig({
      cwd: folder,
      flags: { config },
      env: { SLUICE_ROOT_ACCESS_KEY: 'rooty', SLUICE_ROOT_SECRET_KEY: 'secret+/=:' },
    })
    expect(made.credentials).toEqual([
      {
        accessKeyId: 'rooty',
        secretAccessKey: 'secret+/=:',
        displayName: 'root',
        userId: userIdOf('root'),
        isAdmin: true,
        policies: undefined,
      },
      {
        accessKeyId: 'other',
        secretAccessKey: '12345678',
        displayName: 'o',
        userId: userIdOf('o'),
        isAdmin: false,
        policies: undefined,
      },
    ])
  })

  test('are read from files, without the line break behind them', async () => {
    write('secret', 'from a file\n')
    const config = write(
      's.yaml',
      'credentials: [{accessKeyId: abc, secretAccessKeyFile: secret}]\nmetrics: {auth: token, tokenFile: secret}\n',
    )
    const loaded = await loadConfig({ cwd: '/', flags: { config: join(folder, config) } })
    expect(loaded.config.credentials[0]?.secretAccessKey).toBe('from a file')
    expect(loaded.config.metricsToken).toBe('from a file')
    const env = { SLUICE_ROOT_ACCESS_KEY: 'abc', SLUICE_ROOT_SECRET_KEY_FILE: 'secret' }
    const fromEnv = await loadConfig({ cwd: folder, env })
    expect(fromEnv.config.credentials[0]?.secretAccessKey).toBe('from a file')
  })

  test('that are half, short, doubled or unreadable are refused', async () => {
    expect(await problemsOf({ env: { SLUICE_ROOT_ACCESS_KEY: 'abc' } })).toEqual([
      'SLUICE_ROOT_ACCESS_KEY and SLUICE_ROOT_SECRET_KEY go together: one is unset',
    ])
    expect(
      await problemsOf({ env: { SLUICE_ROOT_ACCESS_KEY: 'abc', SLUICE_ROOT_SECRET_KEY: 'short' } }),
    ).toEqual(['SLUICE_ROOT_SECRET_KEY: a secret has at least 8 characters'])
    expect(
      await problemsOf({
        env: { SLUICE_ROOT_ACCESS_KEY: 'abc', SLUICE_ROOT_SECRET_KEY_FILE: 'nowhere' },
      }),
    ).toEqual([`SLUICE_ROOT_SECRET_KEY_FILE: ${join(folder, 'nowhere')} cannot be read (ENOENT)`])
    const key = '{accessKeyId: abc, secretAccessKey: abcdefgh}'
    const config = write('d.yaml', `credentials: [${key}, ${key}]\n`)
    expect(await problemsOf({ flags: { config } })).toEqual([
      'd.yaml:1:1: access key abc is there twice',
    ])
  })
})

describe('what is shown', () => {
  test('each value stands with where it comes from, and no secret does', async () => {
    const config = write(
      'show.yaml',
      'port: 5\nmetrics: {auth: token, token: "tok-en-tok-en"}\ncredentials:\n  - {accessKeyId: filed, secretAccessKey: secret-of-the-file}\n',
    )
    const text = printConfig(
      await loadConfig({
        cwd: folder,
        flags: { config, region: 'eu-1' },
        env: { SLUICE_ROOT_ACCESS_KEY: 'rooty', SLUICE_ROOT_SECRET_KEY: 'secret-of-root' },
      }),
    )
    expect(text).toMatch(/^port: 5 +# show\.yaml:1:1$/m)
    expect(text).toMatch(/^region: eu-1 +# --region$/m)
    expect(text).toMatch(/^ {2}level: info +# default$/m)
    expect(text).toMatch(/accessKeyId: rooty +# SLUICE_ROOT_ACCESS_KEY$/m)
    expect(text).toMatch(/accessKeyId: filed +# show\.yaml:4:5$/m)
    expect(text).not.toMatch(/secret-of|tok-en/)
    expect(parse(text)).toMatchObject({ port: 5, region: 'eu-1', shutdownTimeout: '30s' })
  })

  test('keys stand under those that they belong to', async () => {
    const text = printConfig(await loadConfig({ cwd: folder, env: { SLUICE_METADATA: 'jsonl' } }))
    expect(parse(text)).toMatchObject({
      metadata: { engine: 'jsonl', cache: { rows: 0, ttl: '1s' } },
      storage: { engine: 'fs' },
    })
  })

  test('what is shown cannot pass for a configuration with secrets', async () => {
    const shown = printConfig(
      await loadConfig({
        cwd: folder,
        env: { SLUICE_ROOT_ACCESS_KEY: 'rooty', SLUICE_ROOT_SECRET_KEY: 'secret-of-root' },
      }),
    )
    const config = write('shown.yaml', shown)
    expect(await problemsOf({ flags: { config } })).toEqual([
      expect.stringContaining('a secret has at least 8 characters'),
    ])
  })
})

describe('the tables agree', () => {
  test('defaults of the table are those of the schema', () => {
    expect(configOf({}).limits.keepAliveTimeoutMs).toBe(75_000)
    for (const { key } of OPTIONS) expect(schemaKeys()).toContain(key)
  })

  test('every key of the schema stands in config.example.yaml, which is valid', async () => {
    const example = new URL('../config.example.yaml', import.meta.url)
    const text = readFileSync(example, 'utf8')
    // Optional keys are there as comments: `#key: value`, and lines of their block with more spaces.
    const full = text.replaceAll(/^( *)#(?=\S| {2})/gm, '$1')
    const tree: unknown = parse(full)
    const missing = schemaKeys().filter((key) => !has(tree, key.split('.')))
    expect(missing).toEqual([])
    const config = write('example.yaml', text)
    expect(await problemsOf({ flags: { config } })).toEqual([])
  })

  test('as it stands, config.example.yaml says the defaults', async () => {
    const text = readFileSync(new URL('../config.example.yaml', import.meta.url), 'utf8')
    const config = write('as-is.yaml', text)
    const loaded = await loadConfig({ cwd: folder, flags: { config } })
    expect(loaded.config).toEqual((await loadConfig({ cwd: folder })).config)
  })
})

/** Dotted keys of everything that a file may say; items of lists by `[]`. */
function schemaKeys(): string[] {
  const keys: string[] = []
  const walk = (node: Node, path: string): void => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      const key = path ? `${path}.${name}` : name
      if (child.properties) walk(child, key)
      else keys.push(key)
      if (child.items?.properties) walk(child.items, `${key}.0`)
    }
  }
  walk(jsonSchema(), '')
  return keys
}

interface Node {
  readonly properties?: Record<string, Node>
  readonly items?: Node
}

function has(tree: unknown, [key, ...rest]: readonly string[]): boolean {
  if (key === undefined) return true
  const items = tree as Record<string, unknown> | undefined
  // Any item of a list may show the key.
  if (key === '0') return (tree as unknown[]).some((item) => has(item, rest))
  return typeof items === 'object' && items !== null && key in items && has(items[key], rest)
}
