/** Before the tests: the BitTorrent clients of Debian that they drive, installed where they are missing. */
import { spawnSync } from 'node:child_process'

const PACKAGES = ['python3-libtorrent', 'aria2']

export default function setup(): void {
  if (isThere()) return
  console.error(`test:torrent: installing ${PACKAGES.join(', ')}`)
  const apt = (...words: readonly string[]): void => {
    spawnSync('apt-get', words, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  }
  apt('update', '-qq')
  apt('install', '-y', '-qq', '--no-install-recommends', ...PACKAGES)
  if (!isThere()) throw new Error(`these have to be installed: ${PACKAGES.join(', ')}`)
}

function isThere(): boolean {
  const runs = (program: string, ...words: readonly string[]): boolean =>
    spawnSync(program, words, { stdio: 'ignore' }).status === 0
  return runs('/usr/bin/python3', '-c', 'import libtorrent') && runs('aria2c', '--version')
}
