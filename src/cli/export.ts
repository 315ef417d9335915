/**
 * `sluice export [--to FILE]`: all rows of metadata as one stream of JSON lines, to standard output or a
 * file, while no gateway runs. The bytes of objects that stand in the storage are not among them.
 */
import { open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { openMetadata } from '../../metadata/open.ts'
import { loadConfig } from '../config.ts'
import { SILENT } from '../lib/meter.ts'
import { syncDirectory } from '../lib/durable-directory.ts'
import { type ExportSummary, exportRows, type RowsExport } from '../maintain/export-rows.ts'
import type { Invocation } from './commands.ts'
import { Interruption } from './interruption.ts'
import { checkMetadataStored, holdFolders } from './offline.ts'
import { bytesText, countText, durationText, ProgressBar } from './progress-bar.ts'

export async function exportAll({ flags, json }: Invocation): Promise<number> {
  const { config } = await loadConfig({ flags, env: process.env })
  checkMetadataStored(config)
  const file = flags['to'] === undefined ? undefined : resolve(flags['to'])
  const started = performance.now()
  using _folder = holdFolders([config])
  await using metadata = await openMetadata(config.metadata, SILENT)
  using interruption = new Interruption('interrupted: nothing was exported')
  let summary: ExportSummary
  {
    using progress = new ProgressBar()
    const { signal } = interruption
    const options = { metadata, nowMs: Date.now(), signal, progress }
    summary = await (file === undefined ? toOutput(options) : toFile(options, file))
  }
  const seconds = (performance.now() - started) / 1000
  const line = json ? JSON.stringify({ summary, seconds }) : closingLine(summary, seconds, file)
  // Standard output may be the export itself.
  const end = file === undefined ? process.stderr : process.stdout
  end.write(`${line}\n`)
  return 0
}

type Sinkless = Omit<RowsExport, 'write'>

async function toOutput(options: Sinkless): Promise<ExportSummary> {
  // Told by the write that fails; without a listener it would end the process at once.
  process.stdout.on('error', () => {})
  const write = (chunk: Buffer): Promise<void> =>
    new Promise((done, fail) => {
      process.stdout.write(chunk, (error) => (error ? fail(error) : done()))
    })
  return exportRows({ ...options, write })
}

/** The file is there whole, and durable, or not at all. */
async function toFile(options: Sinkless, file: string): Promise<ExportSummary> {
  const partial = `${file}.partial`
  try {
    await using handle = await open(partial, 'w', 0o600)
    const write = async (chunk: Buffer): Promise<void> => {
      await handle.writeFile(chunk)
    }
    const summary = await exportRows({ ...options, write })
    await handle.sync()
    await rename(partial, file)
    syncDirectory(dirname(file))
    return summary
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}

function closingLine(
  { rows, buckets, bytes }: ExportSummary,
  seconds: number,
  file: string | undefined,
): string {
  const what = `${countText(rows)} rows of ${countText(buckets)} buckets (${bytesText(bytes)})`
  return `Exported ${what} in ${durationText(seconds)}${file === undefined ? '' : ` to ${file}`}; sluice import reads it.`
}
