import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type DataFolder, DataFolderError, openDataFolder } from './data-folder.ts'
import { StoreLocked } from './lib/store-error.ts'

let base = ''
let children: ChildProcess[] = []
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'sluice-data-'))
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children = []
  rmSync(base, { recursive: true })
})

function mode(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}

/** A process of its own that takes the folder and says so; then it waits for its end. */
async function holder(path: string): Promise<ChildProcess> {
  const module = new URL('./data-folder.ts', import.meta.url).href
  const program = `
    const { openDataFolder } = await import(${JSON.stringify(module)})
    openDataFolder(${JSON.stringify(path)})
    // Nobody refers to the folder any more; the lock must hold all the same.
    gc()
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', program])
  children.push(child)
  await once(child.stdout, 'data')
  return child
}

test('the folder is made for its owner alone, with those above it', () => {
  const path = join(base, 'a', 'b')
  const folder = openDataFolder(path)
  expect(mode(path)).toBe('700')
  folder.release()
})

test('a second gateway in the same process is refused, until the first lets go', () => {
  const first = openDataFolder(base)
  expect(() => openDataFolder(base)).toThrow(StoreLocked)
  first.release()
  openDataFolder(base).release()
})

test('a second process is refused with the pid of the holder; after kill -9 it is let in at once', async () => {
  const child = await holder(base)
  expect(() => openDataFolder(base)).toThrow(new RegExp(`${base} \\(pid ${child.pid}, since `))
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  const after = openDataFolder(base)
  expect(after.isUnclean).toBe(true)
  after.release()
})

test('an orderly end is known by the next gateway', () => {
  for (let start = 0; start < 2; start++) {
    const folder = openDataFolder(base)
    expect(folder.isUnclean).toBe(false)
    folder.release()
  }
})

test('a pid that lives, in the note of a holder that does not, locks nobody out', () => {
  openDataFolder(base).release()
  const note = { pid: process.pid, host: 'elsewhere', since: 'yesterday' }
  writeFileSync(join(base, 'holder.json'), JSON.stringify(note))
  const folder = openDataFolder(base)
  expect(readFileSync(join(base, 'holder.json'), 'utf8')).not.toContain('elsewhere')
  folder.release()
})

test('the credentials are made once, for the owner alone, and stay', () => {
  const first = openDataFolder(base)
  const made = first.rootCredentials()
  first.release()
  expect(made.accessKeyId).toMatch(/^[A-Z2-7]{20}$/)
  expect(made.secretAccessKey).toMatch(/^[A-Za-z0-9]{40}$/)
  expect(mode(made.file)).toBe('600')
  const second = openDataFolder(base)
  expect(second.rootCredentials()).toEqual(made)
  second.release()
  expect(readdirSync(base).sort()).toEqual(['credentials.json', 'lock.db'])
})

test('two folders have different credentials', () => {
  const secrets = ['x', 'y'].map((name) => {
    const folder = openDataFolder(join(base, name))
    const { secretAccessKey } = folder.rootCredentials()
    folder.release()
    return secretAccessKey
  })
  expect(secrets[0]).not.toBe(secrets[1])
})

test('what was left of a torn write is not taken for the credentials', () => {
  writeFileSync(join(base, 'credentials.json.partial'), '{"accessKeyId": "A')
  const folder = openDataFolder(base)
  const { file, secretAccessKey } = folder.rootCredentials()
  folder.release()
  expect(readFileSync(file, 'utf8')).toContain(secretAccessKey)
})

test('a credentials file that cannot be read is an error that shows nothing of it, and it stays', () => {
  const file = join(base, 'credentials.json')
  const text = '{"accessKeyId": "A", "secretAccessKey": tornsecret'
  writeFileSync(file, text)
  const folder: DataFolder = openDataFolder(base)
  expect(() => folder.rootCredentials()).toThrow(DataFolderError)
  expect(() => folder.rootCredentials()).not.toThrow(/tornsecret/)
  folder.release()
  expect(readFileSync(file, 'utf8')).toBe(text)
})

test('a file in the way is told in one line', () => {
  const path = join(base, 'file')
  writeFileSync(path, '')
  expect(() => openDataFolder(path)).toThrow(/^the data folder .* a file stands in the way$/)
  expect(() => openDataFolder(join(path, 'below'))).toThrow(/a file stands in the way$/)
})

test('the key of encrypted objects is made once it is wanted, for the owner alone, and stays', () => {
  const first = openDataFolder(base)
  expect(first.encryptionKey(false)).toBeUndefined()
  const made = first.encryptionKey(true)!
  first.release()
  expect(made.key.export()).toHaveLength(32)
  expect(mode(join(base, 'encryption.key'))).toBe('600')
  const second = openDataFolder(base)
  for (const isWanted of [true, false]) {
    const again = second.encryptionKey(isWanted)!
    expect(again.id).toBe(made.id)
    expect(again.key.equals(made.key)).toBe(true)
  }
  second.release()
})

test('a key that is damaged is never replaced by another', () => {
  writeFileSync(join(base, 'encryption.key'), 'half a key')
  const folder = openDataFolder(base)
  expect(() => folder.encryptionKey(true)).toThrow(/put back the key that was there/)
  folder.release()
  expect(readFileSync(join(base, 'encryption.key'), 'utf8')).toBe('half a key')
})
