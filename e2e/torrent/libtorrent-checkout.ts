/**
 * A checkout of libtorrent, for the torrents of its test suite, which are not copied here:
 * LIBTORRENT_CHECKOUT names one; else it is cloned once.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const REPOSITORY = 'https://github.com/arvidn/libtorrent'
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/libtorrent', import.meta.url))

/** Undefined where there is none and none can be had. */
export function libtorrentCheckout(): string | undefined {
  const given = process.env['LIBTORRENT_CHECKOUT']
  if (given !== undefined) return given
  if (existsSync(join(CACHE, 'test', 'test_torrents'))) return CACHE
  const words = ['clone', '--quiet', '--depth', '1', '--filter=blob:none', REPOSITORY, CACHE]
  if (spawnSync('git', words, { stdio: 'inherit' }).status === 0) return CACHE
  console.error(`${REPOSITORY} could not be cloned: name a checkout in LIBTORRENT_CHECKOUT`)
  return undefined
}
