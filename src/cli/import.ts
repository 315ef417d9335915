/**
 * `sluice import [--from FILE] [--merge [--replace-rows] | --replace]`: the rows of an export into the
 * configured metadata store, while no gateway runs. The stream is checked as a whole before anything
 * changes; from a pipe it goes into a temporary file first.
 */
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { openMetadata } from '../../metadata/open.ts'
import { loadConfig } from '../config.ts'
import { SILENT } from '../lib/meter.ts'
import { importRows, type ImportSummary } from '../maintain/import-rows.ts'
import type { ImportState } from '../maintain/import-state.ts'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import { type Flags, type Invocation, UsageError } from './commands.ts'
import { Interruption } from './interruption.ts'
import { holdFolders } from './offline.ts'
import { countText, durationText, ProgressBar } from './progress-bar.ts'

export async function importAll({ flags, json }: Invocation): Promise<number> {
  const mode = modeOf(flags)
  const { config } = await loadConfig({ flags, env: process.env })
  if (config.metadata.engine === 'memory')
    throw new MaintenanceError(
      'metadata is in memory: what is imported would end with this command',
    )
  const started = performance.now()
  using _folder = holdFolders([config])
  await using source = await sourceOf(flags['from'])
  await using metadata = await openMetadata(config.metadata, SILENT)
  using interruption = new Interruption(
    'interrupted: repeat the same command; no gateway starts on metadata that is there by half',
  )
  using bar = new ProgressBar()
  const summary = await importRows({
    metadata,
    file: source.file,
    sizeBytes: source.sizeBytes,
    mode,
    takesBodies: config.storage.seal === undefined,
    replacesRows: flags['replace-rows'] !== undefined,
    nowMs: Date.now(),
    signal: interruption.signal,
    progress: bar,
  })
  const seconds = (performance.now() - started) / 1000
  bar.print(json ? JSON.stringify({ summary, seconds }) : closingLine(summary, seconds))
  return 0
}

function modeOf(flags: Flags): ImportState['mode'] {
  const [merges, replaces] = [flags['merge'] !== undefined, flags['replace'] !== undefined]
  if (merges && replaces) throw new UsageError('either --merge or --replace is meant, not both')
  if (flags['replace-rows'] !== undefined && !merges)
    throw new UsageError('--replace-rows goes with --merge')
  return merges ? 'merge' : replaces ? 'replace' : 'fresh'
}

interface Source extends AsyncDisposable {
  readonly file: string
  readonly sizeBytes: number
}

async function sourceOf(from: string | undefined): Promise<Source> {
  if (from !== undefined) {
    const file = resolve(from)
    const found = await stat(file).catch((error: NodeJS.ErrnoException) => error.code)
    if (typeof found !== 'object')
      throw new MaintenanceError(`${file} cannot be read (${found ?? '?'})`)
    return { file, sizeBytes: found.size, async [Symbol.asyncDispose]() {} }
  }
  if (process.stdin.isTTY)
    throw new UsageError('import reads an export: from a file (--from FILE), or from a pipe')
  const folder = await mkdtemp(join(tmpdir(), 'sluice-import-'))
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const file = join(folder, 'rows.jsonl')
    await pipeline(process.stdin, createWriteStream(file, { mode: 0o600 }))
    return { file, sizeBytes: (await stat(file)).size, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

function closingLine({ rows, written, kept, removed }: ImportSummary, seconds: number): string {
  const words = [
    `Imported ${countText(written)} of ${countText(rows)} rows in ${durationText(seconds)}.`,
  ]
  if (removed > 0) words.push(`${countText(removed)} rows that were there before are gone.`)
  if (kept > 0) words.push(`${countText(kept)} rows were there already, and stayed as they were.`)
  return words.join(' ')
}
