import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ConfigError, configOf, loadConfig } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('torrents are off unless an engine is chosen', () => {
  expect(configOf({}).torrents).toBeUndefined()
  expect(configOf({ torrents: { port: 7000 } }).torrents).toBeUndefined()
})

test('with an engine alone everything has its default, and nothing looks for peers by itself', () => {
  expect(configOf({ torrents: { engine: 'auto' } }).torrents).toEqual({
    engine: 'auto',
    bucket: 'sluice-torrents',
    listen: { host: '0.0.0.0', port: 6881 },
    finds: { dht: false, local: false, portMapping: false },
    limits: { downloadRateMax: 0, uploadRateMax: 0, connectionsMax: 200 },
    memoryBytes: 64 * 2 ** 20,
    seeds: true,
    seedRatio: 0,
    readTimeoutMs: 30_000,
    watch: undefined,
    allow: [],
  })
})

test('a watched place is a bucket and perhaps a folder', () => {
  const watch = (place: string): unknown =>
    configOf({ torrents: { engine: 'auto', watch: place } }).torrents?.watch
  expect(watch('media')).toEqual({ bucket: 'media', prefix: '' })
  expect(watch('media/inbox')).toEqual({ bucket: 'media', prefix: 'inbox/' })
  expect(watch('media/in/box/')).toEqual({ bucket: 'media', prefix: 'in/box/' })
  expect(() => watch('/inbox')).toThrow(ConfigError)
})

test('what is wrong is told with its line', async () => {
  const file = join(folder, 'sluice.yaml')
  writeFileSync(
    file,
    'torrents:\n  engine: transmission\n  memory: 1MiB\n  watch: UP\n  uploadrate: 5\n  seedRatio: -1\n',
  )
  const error = await loadConfig({ flags: { config: file } }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ConfigError)
  const { problems } = error as ConfigError
  expect(problems.map((line) => line.replace(`${file}:`, ''))).toEqual([
    '2:3: torrents.engine: expected one of off, auto, libtorrent, webtorrent',
    '3:3: torrents.memory: "1MiB" is out of bounds: 16MiB to 64GiB',
    '4:3: torrents.watch: a bucket, or a bucket and a folder in it (inbox, media/inbox/), is expected',
    '5:3: unknown key uploadrate (did you mean uploadRate?)',
    expect.stringContaining('6:3: torrents.seedRatio:'),
  ])
})

test('the environment beats the file', async () => {
  const env = {
    SLUICE_TORRENTS_ENGINE: 'webtorrent',
    SLUICE_TORRENTS_DHT: 'true',
    SLUICE_TORRENTS_ALLOW: '10.0.0.0/8,nas',
  }
  const { torrents } = (await loadConfig({ env })).config
  expect(torrents).toMatchObject({
    engine: 'webtorrent',
    finds: { dht: true },
    allow: ['10.0.0.0/8', 'nas'],
  })
})
