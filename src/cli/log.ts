/**
 * `sluice log stat|verify|dump|tail`: the log that metadata is kept in (`metadata.log`). `tail` follows a
 * running gateway by its feed; the others read the folder, while no gateway runs.
 */
import { join } from 'node:path'
import { commitOf } from '../../metadata/history.ts'
import { snapshotsIn } from '../../metadata/jsonl-recovery.ts'
import { COMMAND } from '../../metadata/logged-rows.ts'
import { changeText } from '../changes.ts'
import { type Config, loadConfig } from '../config.ts'
import { openLog } from '../log/open.ts'
import type { StorageEngine } from '../log/store.ts'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import { nearHost } from '../near-host.ts'
import { type Flags, type Invocation, UsageError } from './commands.ts'
import { follow } from './follow.ts'
import { Interruption } from './interruption.ts'
import { checkMetadataStored, holdFolders } from './offline.ts'
import { bytesText, countText } from './progress-bar.ts'

/** Where a configuration keeps the log of its metadata. */
export interface LoggedFolder {
  readonly path: string
  readonly log: 'segment' | 'sqlite'
}

export async function log({ action, flags, json }: Invocation): Promise<number> {
  const { config } = await loadConfig({ flags, env: process.env })
  const folder = loggedFolder(config)
  if (action === 'tail') return tail(config, flags)
  checkMetadataStored(config)
  using _held = holdFolders([config])
  await using engine = await openLog({ engine: folder.log, path: join(folder.path, 'log') })
  if (action === 'verify') return verify(engine, json)
  if (action === 'dump') return dump(engine, flags)
  return stat(engine, folder, json)
}

export function loggedFolder({ metadata }: Config): LoggedFolder {
  if (metadata.engine === 'logged') return metadata
  throw new MaintenanceError(
    `metadata (${metadata.engine}) has no log: it takes metadata.engine: memory with metadata.log`,
  )
}

/** A flag that is the index of an entry; `preset` where it is absent. */
export function indexFlag(flags: Flags, name: string, preset: number): number {
  const text = flags[name]
  if (text === undefined) return preset
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`--${name} is the index of an entry`)
  return Number(text)
}

async function stat(engine: StorageEngine, folder: LoggedFolder, json: boolean): Promise<number> {
  const { log, meta } = engine
  const { changes: _changes, syncs: _syncs, ...stats } = log.stats()
  const state = await meta.loadHardState()
  const snapshots = await snapshotsIn(join(folder.path, 'snapshots'))
  const all = { ...stats, boundary: log.purgeBoundary() ?? null, term: state?.term ?? 0, snapshots }
  if (json) process.stdout.write(`${JSON.stringify(all)}\n`)
  else
    process.stdout.write(
      [
        `entries    ${stats.firstIndex} to ${stats.lastIndex} (${countText(stats.lastIndex - stats.firstIndex + 1)})`,
        `term       ${all.term}${state?.vote === undefined ? '' : ` (${state.vote})`}`,
        `snapshots  ${snapshots.length === 0 ? 'none' : `of entries ${snapshots.join(', ')}`}`,
        `on disk    ${bytesText(stats.sizeBytes)} in ${stats.files} files (${stats.engine})`,
        '',
      ].join('\n'),
    )
  return 0
}

async function verify({ log }: StorageEngine, json: boolean): Promise<number> {
  let problems = 0
  for await (const problem of log.verify()) {
    problems++
    const { where, at, message } = problem
    process.stdout.write(json ? `${JSON.stringify(problem)}\n` : `${where}, at ${at}: ${message}\n`)
  }
  const { firstIndex, lastIndex } = log.stats()
  const found = problems === 0 ? 'no problem' : `${problems} problems`
  if (json) process.stdout.write(`${JSON.stringify({ firstIndex, lastIndex, problems })}\n`)
  else process.stdout.write(`Entries ${firstIndex} to ${lastIndex}: ${found}.\n`)
  return problems === 0 ? 0 : 1
}

async function dump({ log }: StorageEngine, flags: Flags): Promise<number> {
  const after = indexFlag(flags, 'after', log.firstIndex() - 1)
  const end = Math.min(log.lastIndex(), after + indexFlag(flags, 'limit', Infinity))
  process.stdout.on('error', () => {})
  for (let next = after + 1; next <= end;) {
    const batch = await log.getEntries(next, end, { maxBytes: 1024 * 1024 })
    let text = ''
    for (const entry of batch)
      if (entry.kind === COMMAND) text += `${changeText(commitOf(entry))}\n`
    await written(text)
    next += batch.length
  }
  return 0
}

async function tail(config: Config, flags: Flags): Promise<number> {
  const { feedToken, control, host, port, tls } = config
  const token = flags['token'] ?? feedToken
  if (token === undefined) throw new UsageError('tail needs --token, or the setting feed.token')
  const at = control ?? { host, port }
  const own = `${tls === undefined ? 'http' : 'https'}://${nearHost(at.host)}:${at.port}`
  using interruption = new Interruption('')
  process.stdout.on('error', () => {})
  const source = { url: flags['url'] ?? own, token, signal: interruption.signal }
  const start = flags['after'] === undefined ? undefined : indexFlag(flags, 'after', 0)
  try {
    for await (const page of follow(source, start)) await written(page.text)
  } catch (error) {
    if (!interruption.signal.aborted) throw error
  }
  return 0
}

function written(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()))
  })
}
