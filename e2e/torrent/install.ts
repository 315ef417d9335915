/**
 * Before the tests: the BitTorrent clients of Debian that they drive, and libtorrent to build our addon with,
 * installed where they are missing; and the addon.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { hasNative } from '../../src/torrent/libtorrent/native.ts'

/** What is asked for, and what brings it. */
const NEEDED: readonly (readonly [program: string, words: readonly string[], brings: string])[] = [
  ['/usr/bin/python3', ['-c', 'import libtorrent'], 'python3-libtorrent'],
  ['aria2c', ['--version'], 'aria2'],
  ['rtorrent', ['-h'], 'rtorrent'],
  ['qbittorrent-nox', ['--version'], 'qbittorrent-nox'],
  ['transmission-cli', ['--version'], 'transmission-cli'],
  ['g++', ['--version'], 'g++'],
  ['pkg-config', ['--exists', 'libtorrent-rasterbar'], 'pkg-config libtorrent-rasterbar-dev'],
]
const BUILD = fileURLToPath(new URL('../../src/torrent/libtorrent/build.ts', import.meta.url))

export default function setup(): void {
  install(missing())
  const left = missing()
  if (left.length > 0) throw new Error(`these have to be installed: ${left.join(' ')}`)
  if (hasNative()) return
  const built = spawnSync(process.execPath, [BUILD], { stdio: 'inherit' })
  if (built.status !== 0) throw new Error('the addon for libtorrent could not be built')
}

function missing(): string[] {
  return NEEDED.filter(([program, words]) => !runs(program, words)).flatMap(([, , brings]) =>
    brings.split(' '),
  )
}

function runs(program: string, words: readonly string[]): boolean {
  const { error, status } = spawnSync(program, words, { stdio: 'ignore', timeout: 10_000 })
  // rtorrent answers its help with an error.
  return error === undefined && (status === 0 || program === 'rtorrent')
}

function install(packages: readonly string[]): void {
  if (packages.length === 0) return
  console.error(`test:torrent: installing ${packages.join(', ')}`)
  const apt = (...words: readonly string[]): void => {
    spawnSync('apt-get', words, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  }
  apt('update', '-qq')
  apt('install', '-y', '-qq', '--no-install-recommends', ...packages)
}
