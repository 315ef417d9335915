/**
 * `sluice restore --to INDEX|TIME --into FOLDER`: metadata as it was after an entry of the log, or at a time,
 * in a folder that `metadata.path` can then name. While no gateway runs; what is restored from stays as it is.
 */
import { join, resolve } from 'node:path'
import { indexAt, rowsAt, writeRestored } from '../../metadata/logged-restore.ts'
import { loadConfig } from '../config.ts'
import { openLog } from '../log/open.ts'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import { type Invocation, UsageError } from './commands.ts'
import { loggedFolder } from './log.ts'
import { checkMetadataStored, holdFolders } from './offline.ts'

export async function restore({ flags }: Invocation): Promise<number> {
  const { config } = await loadConfig({ flags, env: process.env })
  const { to, into } = flags
  if (to === undefined || into === undefined) throw new UsageError('restore needs --to and --into')
  const timeMs = /^\d{1,15}$/.test(to) ? undefined : Date.parse(to)
  if (Number.isNaN(timeMs))
    throw new UsageError(`--to ${to} is neither the index of an entry nor a time`)
  const { path, log: engineName } = loggedFolder(config)
  checkMetadataStored(config)
  using _held = holdFolders([config])
  await using engine = await openLog({ engine: engineName, path: join(path, 'log') })
  const { log, meta } = engine
  const index = timeMs === undefined ? Number(to) : await indexAt(log, timeMs)
  const term = log.termOf(index)
  if (index < 1 || term === undefined)
    throw new MaintenanceError(
      `${to} is not within the log, which has entries ${log.firstIndex()} to ${log.lastIndex()}`,
    )
  const rows = await rowsAt(log, join(path, 'snapshots'), index)
  const nextTerm = ((await meta.loadHardState())?.term ?? term) + 1
  const folder = resolve(into)
  const open = (path: string) => openLog({ engine: engineName, path })
  await writeRestored(rows, { index, term, nextTerm }, folder, open)
  process.stdout.write(
    `Restored metadata as of entry ${index} to ${folder}: name it metadata.path.\n`,
  )
  return 0
}
