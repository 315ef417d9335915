/** For tests: data folders with objects in them, and the program run on them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openMetadata } from '../../metadata/open.ts'
import { openStorage } from '../../storage/open.ts'
import { SILENT } from '../lib/meter.ts'
import { sha256Hex } from '../lib/digest.ts'
import { Uploads } from '../s3/uploads.fixture.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

export interface Ran {
  /** Exit code, or the signal that ended it. */
  readonly code: number | string
  readonly out: string
  readonly err: string
}

/** A temporary folder, and the processes that work in it. */
export class Stored implements Disposable {
  readonly base: string = mkdtempSync(join(tmpdir(), 'sluice-stored-'))
  readonly #children: ChildProcess[] = []

  /** Fills a data folder as a gateway with the default engines would, and lets go of it. */
  async fill(name: string, by: (s3: Uploads) => Promise<void>): Promise<string> {
    const data = join(this.base, name)
    await using metadata = await openMetadata(
      { engine: 'sqlite', path: join(data, 'metadata', 'rows.db') },
      SILENT,
    )
    await using storage = await openStorage({ engine: 'fs', path: join(data, 'objects') }, SILENT)
    const s3 = new Uploads(metadata, storage)
    await s3.bucket()
    await by(s3)
    return data
  }

  start(...args: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.push(child)
    return child
  }

  async run(...args: readonly string[]): Promise<Ran> {
    return ended(this.start(...args))
  }

  /** The files of blobs below a folder. */
  blobFiles(folder: string): readonly string[] {
    return files(join(folder, 'objects', 'blobs'))
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL')
    rmSync(this.base, { recursive: true, maxRetries: 5 })
  }
}

/** What a process wrote, and how it ended. */
export async function ended(child: ChildProcess): Promise<Ran> {
  let [out, err] = ['', '']
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return { code: code ?? signal ?? '', out, err }
}

/** All files below a folder, by path; none where it is not there. */
export function files(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted()
  } catch {
    return []
  }
}

/** A digest of all files below a folder, but for the lock and its note. */
export function fingerprint(folder: string): string {
  const own = files(folder).filter((file) => !/(lock\.db(-\w+)?|holder\.json)$/.test(file))
  return sha256Hex(own.map((file) => `${file} ${sha256Hex(readFileSync(file))}`).join('\n'))
}
