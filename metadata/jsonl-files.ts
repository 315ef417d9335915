/**
 * The files of the engine `jsonl`, in one folder:
 *
 *     log-00000007.jsonl        commits in their order; the highest number is the one that is written
 *     snapshot-00000007.jsonl   every row as of the beginning of log 7 or later
 *     ….partial                 a file on its way, worth nothing
 *
 * The rows are those of the newest snapshot, and the logs from its number on played over it. That a
 * snapshot may hold later states does no harm: a line says what a row is, not what changes in it.
 * A file gets its name once it is whole and on stable storage.
 */
import path from 'node:path'
import type { Disk } from '../src/lib/disk.ts'
import { sealed, unsealed } from './jsonl-lines.ts'
import { StoreDamaged } from '../src/lib/store-error.ts'

export type Kind = 'log' | 'snapshot'

const FORMAT = 'sluice-metadata'
/** Of the layout of files and lines. */
export const VERSION = 1
const NAME = /^(log|snapshot)-(\d{8,16})\.jsonl$/
const PARTIAL = '.partial'

export function fileName(kind: Kind, number: number): string {
  return `${kind}-${String(number).padStart(8, '0')}.jsonl`
}

/** The number of a file of that kind; undefined for any other name. */
export function numberIn(kind: Kind, name: string): number | undefined {
  const match = NAME.exec(name)
  return match?.[1] === kind ? Number(match[2]) : undefined
}

export function isPartial(name: string): boolean {
  return name.endsWith(PARTIAL) && NAME.test(name.slice(0, -PARTIAL.length))
}

export function headerLine(kind: Kind, number: number): Buffer {
  return sealed(JSON.stringify({ format: FORMAT, version: VERSION, kind, number }))
}

/** Throws where the first line of the file is not that of a file of ours, of a version that is known. */
export function checkHeader(file: string, line: Buffer): void {
  const { format, version } = parsed(line)
  if (format !== FORMAT)
    throw new StoreDamaged(
      `${file} is not a file of metadata (its first line does not say so): give the store a folder of its own, or restore the file`,
    )
  if (typeof version === 'number' && version > VERSION)
    throw new StoreDamaged(
      `${file} was written by a newer program: its format has version ${version}, known are versions up to ${VERSION}`,
    )
  if (unsealed(line) === undefined) throw damaged(file, 1)
}

function parsed(line: Buffer): { readonly format?: unknown; readonly version?: unknown } {
  try {
    const value: unknown = JSON.parse(line.toString())
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

/** What to say of a line that was once whole and is not. */
export function damaged(file: string, lineNumber: number): StoreDamaged {
  const name = path.basename(file)
  return new StoreDamaged(
    `${file}:${lineNumber}: this line is damaged, and it was on stable storage: nothing was changed. Restore ${name} from a backup, or the whole folder. To go on without what this line says, remove it from a copy of the file by hand (sed ${lineNumber}d)`,
  )
}

/** A file in the making: it appears in the folder, durable, by `publish`; or never, by `discard`. */
export class NewFile {
  readonly #disk: Disk
  readonly #folder: string
  readonly #name: string
  readonly #fd: number
  #sizeBytes = 0

  private constructor(disk: Disk, folder: string, name: string, fd: number) {
    this.#disk = disk
    this.#folder = folder
    this.#name = name
    this.#fd = fd
  }

  static async create(disk: Disk, folder: string, kind: Kind, number: number): Promise<NewFile> {
    const name = fileName(kind, number)
    const partial = path.join(folder, name + PARTIAL)
    await disk.remove(partial)
    const file = new NewFile(disk, folder, name, await disk.open(partial, 'wx+'))
    try {
      await file.append(headerLine(kind, number))
      return file
    } catch (error) {
      await file.discard()
      throw error
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#disk.write(this.#fd, bytes, this.#sizeBytes)
    this.#sizeBytes += bytes.length
  }

  /**
   * Gives the file its name; resolves to its descriptor, for the caller to close. Where it rejects with
   * `NameUnknown`, the name may be there or not after a power failure; else the file is gone.
   */
  async publish(): Promise<number> {
    const at = path.join(this.#folder, this.#name)
    try {
      await this.#disk.datasync(this.#fd)
      await this.#disk.rename(at + PARTIAL, at)
    } catch (error) {
      await this.discard()
      throw error
    }
    try {
      await this.#disk.syncFolder(this.#folder)
    } catch (cause) {
      await this.#disk.close(this.#fd).catch(() => {})
      throw new NameUnknown(`${at} may not be durable`, { cause })
    }
    return this.#fd
  }

  /** Never rejects: what remains is removed when the store is opened the next time. */
  async discard(): Promise<void> {
    await this.#disk.close(this.#fd).catch(() => {})
    await this.#disk.remove(path.join(this.#folder, this.#name + PARTIAL)).catch(() => {})
  }
}

export class NameUnknown extends Error {
  override readonly name: string = 'NameUnknown'
}
