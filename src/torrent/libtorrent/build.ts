/**
 * `npm run build:libtorrent`: compiles the addon with g++ where libtorrent 2.0 is installed. Node.js brings
 * the headers of its Node-API itself, so nothing is downloaded.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { BINARY } from './native.ts'

const SOURCES = fileURLToPath(new URL('addon', import.meta.url))
const UNITS = ['disk', 'session', 'addon']
const NEED = 'apt-get install g++ pkg-config libtorrent-rasterbar-dev'

function fail(message: string): never {
  console.error(`build:libtorrent: ${message}`)
  process.exit(1)
}

/** What pkg-config says of libtorrent, as words. */
function packageWords(...asked: readonly string[]): string[] {
  const done = spawnSync('pkg-config', [...asked, 'libtorrent-rasterbar'], { encoding: 'utf8' })
  if (done.error !== undefined) fail(`there is no pkg-config (${NEED})`)
  if (done.status !== 0) fail(`libtorrent-rasterbar is not installed (${NEED})`)
  return done.stdout.trim().split(/\s+/)
}

function headersOfNode(): string {
  const places = [
    join(dirname(process.execPath), '..', 'include', 'node'),
    '/usr/local/include/node',
    '/usr/include/node',
  ]
  const found = places.find((place) => existsSync(join(place, 'node_api.h')))
  return (
    found ?? fail(`Node.js has been installed without node_api.h; looked in ${places.join(', ')}`)
  )
}

async function compile(words: readonly string[]): Promise<void> {
  const child = spawn('g++', words, { stdio: 'inherit' })
  const [code] = (await once(child, 'exit').catch(() => fail(`there is no g++ (${NEED})`))) as [
    number,
  ]
  if (code !== 0) fail('g++ failed')
}

const [version = ''] = packageWords('--modversion')
if (!version.startsWith('2.0.')) fail(`libtorrent ${version} is here, and 2.0 is needed`)
const flags = ['-std=c++17', '-O2', '-fPIC', '-Wall', '-Wextra', '-fvisibility=hidden'].concat(
  ['-isystem', headersOfNode()],
  packageWords('--cflags'),
)
mkdirSync(dirname(BINARY), { recursive: true })
const work = mkdtempSync(join(dirname(BINARY), 'work-'))
try {
  const objects = UNITS.map((unit) => join(work, `${unit}.o`))
  const one = (i: number): Promise<void> =>
    compile([...flags, '-c', join(SOURCES, `${UNITS[i]}.cpp`), '-o', objects[i]!])
  if (availableParallelism() > 1) await Promise.all(UNITS.map((_, i) => one(i)))
  else for (const i of UNITS.keys()) await one(i)
  const made = join(work, 'addon.node')
  // macOS finds what Node.js has when the addon is loaded.
  const linking = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-s']
  await compile(['-shared', ...linking, '-o', made, ...objects, ...packageWords('--libs')])
  renameSync(made, BINARY)
} finally {
  rmSync(work, { recursive: true, force: true })
}
console.log(`${BINARY} (libtorrent ${version})`)
