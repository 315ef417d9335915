/**
 * Loaded into the gateway before its own code (`node --import`): ends the process with SIGKILL at a chosen
 * step. A step is the moment before or after a call that changes the disk. Steps are counted once the file
 * named by SLUICE_CRASH_ARMED exists; SLUICE_CRASH_STEP is the step to die at.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import Database from 'better-sqlite3'

const NAMES = [
  'open',
  'write',
  'writev',
  'fsync',
  'fdatasync',
  'rename',
  'unlink',
  'mkdir',
  'ftruncate',
  'rm',
] as const
const HANDLE_NAMES = ['write', 'writev', 'writeFile', 'sync', 'datasync', 'truncate'] as const

const armed = process.env['SLUICE_CRASH_ARMED'] ?? ''
const last = Number(process.env['SLUICE_CRASH_STEP'])
const exists = fs.existsSync
let isArmed = false
let steps = 0

function step(): void {
  isArmed ||= exists(armed)
  if (isArmed && ++steps === last) process.kill(process.pid, 'SIGKILL')
}

type Any = (this: unknown, ...args: unknown[]) => unknown

function patch(owner: object, name: string): void {
  const original = Reflect.get(owner, name) as Any | undefined
  if (typeof original !== 'function') return
  const patched: Any = function (this: unknown, ...args) {
    step()
    const callback = args.at(-1)
    if (typeof callback === 'function')
      args[args.length - 1] = (...results: unknown[]): unknown => {
        step()
        return (callback as Any).apply(undefined, results)
      }
    const result = original.apply(this, args)
    if (result instanceof Promise) void result.then(step, step)
    else if (typeof callback !== 'function') step()
    return result
  }
  Reflect.set(owner, name, patched)
}

const handle = await fs.promises.open(process.execPath)
const handlePrototype = Object.getPrototypeOf(handle) as object
await handle.close()
for (const name of NAMES) {
  patch(fs, name)
  patch(fs, `${name}Sync`)
  patch(fs.promises, name)
}
for (const name of HANDLE_NAMES) patch(handlePrototype, name)
patch(fs.promises, 'writeFile')
const probe = new Database(':memory:')
patch(Object.getPrototypeOf(probe.prepare('SELECT 1')) as object, 'run')
patch(Object.getPrototypeOf(probe) as object, 'exec')
probe.close()
syncBuiltinESMExports()
