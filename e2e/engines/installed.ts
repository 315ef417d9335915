/** Programs that the suites start: found, or installed once, each in a folder of its own under the system's temporary one. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const QUIET = ['ignore', 'ignore', 'inherit'] as ['ignore', 'ignore', 'inherit']

/** The folder of an npm package of that version, with what it depends on beside it. */
export function npmProgram(name: string, version: string): string {
  return installed(`${name}-${version}`, join('node_modules', name), (scratch) => {
    const words = ['install', '--prefix', scratch, '--ignore-scripts', '--no-audit', '--no-fund']
    return spawnSync('npm', [...words, `${name}@${version}`], { stdio: QUIET, cwd: scratch })
  })
}

/**
 * `make` installs into a folder, in which `file` then is; the path of that. It is made beside its place
 * and moved there whole, so that two runs cannot meet in a half of it.
 */
export function installed(
  name: string,
  file: string,
  make: (scratch: string) => { readonly status: number | null },
): string {
  const folder = join(tmpdir(), `sluice-${name}`)
  if (existsSync(join(folder, file))) return join(folder, file)
  console.error(`engines: installing ${name} in ${folder}`)
  const scratch = `${folder}.${process.pid}`
  mkdirSync(scratch, { recursive: true })
  const { status } = make(scratch)
  if (status === 0 && !existsSync(folder)) renameSync(scratch, folder)
  rmSync(scratch, { recursive: true, force: true })
  if (!existsSync(join(folder, file))) throw new Error(`${name} could not be installed`)
  return join(folder, file)
}

/** Debian packages, where this may install any; whoever calls looks whether it has. */
export function aptInstall(packages: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  spawnSync('apt-get', ['update', '-qq'], { stdio: QUIET, env })
  const words = ['install', '-y', '-qq', '--no-install-recommends', ...packages]
  spawnSync('apt-get', words, { stdio: QUIET, env })
}
