/**
 * `sluice standby --of URL`: follows a gateway's feed and keeps its metadata here, rows and log, so that
 * `sluice serve` on this folder goes on where that gateway ended. `sluice promote` lets it: the gateway that
 * was followed is told of a later term and never writes again, what it had answered by then is fetched, and
 * the later term is entered here.
 */
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as NodeStream } from 'node:stream/web'
import type { HistoryCommit } from '../../metadata/history.ts'
import { fileName } from '../../metadata/jsonl-files.ts'
import { readSnapshot } from '../../metadata/jsonl-recovery.ts'
import type { LoggedMetadata } from '../../metadata/logged.ts'
import { openLogged } from '../../metadata/open.ts'
import type { Write } from '../../metadata/store.ts'
import { type Config, loadConfig } from '../config.ts'
import { syncDirectory } from '../lib/durable-directory.ts'
import { SILENT } from '../lib/meter.ts'
import { openLog } from '../log/open.ts'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import { type Flags, type Invocation, UsageError } from './commands.ts'
import { askFeed, type FeedPage, type FeedSource, follow } from './follow.ts'
import { Interruption } from './interruption.ts'
import { type LoggedFolder, loggedFolder } from './log.ts'
import { holdFolders } from './offline.ts'

export async function standby({ flags }: Invocation): Promise<number> {
  const { config } = await loadConfig({ flags, env: process.env })
  const folder = loggedFolder(config)
  using interruption = new Interruption('')
  const { signal } = interruption
  const source = { ...sourceOf(config, flags), signal }
  using _held = holdFolders([config])
  if (!existsSync(join(folder.path, 'log'))) await fetchCopy(source, folder)
  await using store = await openLogged(folder.path, folder.log, SILENT)
  const start = store.history.lastIndex
  process.stdout.write(`Following ${source.url} from entry ${start} on.\n`)
  try {
    await greet(source, store)
    for await (const page of follow(source, start)) await take(store, page)
  } catch (error) {
    if (!signal.aborted) throw error
  }
  process.stdout.write(`Stopped behind entry ${store.history.lastIndex}.\n`)
  return 0
}

export async function promote({ flags }: Invocation): Promise<number> {
  const { config } = await loadConfig({ flags, env: process.env })
  const folder = loggedFolder(config)
  const isForced = flags['force'] !== undefined
  if (!existsSync(folder.path)) throw new MaintenanceError(`no standby is kept at ${folder.path}`)
  using interruption = new Interruption('interrupted: nothing was promoted; repeat the command')
  using _held = holdFolders([config])
  await using store = await openLogged(folder.path, folder.log, SILENT)
  let term = store.history.term + 1
  if (!isForced || flags['of'] !== undefined) {
    const source = { ...sourceOf(config, flags), signal: interruption.signal }
    try {
      term = await fenceOff(source, store)
    } catch (error) {
      if (!isForced || error instanceof MaintenanceError) throw unreachable(source.url, error)
    }
  }
  await store.enterTerm(term)
  const { lastIndex } = store.history
  process.stdout.write(
    `Promoted in term ${term} behind entry ${lastIndex}: sluice serve goes on here.\n`,
  )
  return 0
}

function sourceOf({ feedToken }: Config, flags: Flags): Omit<FeedSource, 'signal'> {
  const url = flags['of']
  const token = flags['token'] ?? feedToken
  if (url === undefined) throw new UsageError('--of names the gateway that is followed')
  if (!URL.canParse(url)) throw new UsageError(`--of ${url} is no URL`)
  if (token === undefined) throw new UsageError('--token is needed, or the setting feed.token')
  return { url, token }
}

function unreachable(url: string, error: unknown): unknown {
  if (error instanceof MaintenanceError) return error
  return new MaintenanceError(
    `${url} does not answer, so that it cannot be told to write no more. Stop it for good, and promote with --force`,
  )
}

/** Tells the gateway of a later term, and fetches what it has still answered; resolves to that term. */
async function fenceOff(source: FeedSource, store: LoggedMetadata): Promise<number> {
  const { term: theirs } = await greet(source, store)
  const term = Math.max(theirs, store.history.term) + 1
  for (;;) {
    const page = await askFeed(source, { after: store.history.lastIndex, term })
    await take(store, page, false)
    if (store.history.lastIndex >= page.lastIndex) return term
  }
}

/** Makes sure that what is here is the beginning of what is there. */
async function greet(source: FeedSource, { history }: LoggedMetadata): Promise<FeedPage> {
  const after = history.lastIndex
  return askFeed(source, { after, limit: 1, lastTerm: history.termOf(after) })
}

async function take(store: LoggedMetadata, page: FeedPage, entersTerm = true): Promise<void> {
  const commits = page.text.split('\n').flatMap((line) => (line === '' ? [] : commitOf(line)))
  if (commits.length > 0) await store.append(commits)
  if (entersTerm) await store.enterTerm(page.term)
}

interface ToldWrite extends Omit<Write, 'bytes'> {
  readonly bytes?: string
}

function commitOf(line: string): HistoryCommit {
  const told = JSON.parse(line) as Omit<HistoryCommit, 'writes'> & {
    readonly writes: readonly ToldWrite[]
  }
  const writes = told.writes.map(({ table, sort, value, bytes }): Write => {
    if (bytes === undefined) return { table, sort, value }
    return { table, sort, value, bytes: new Uint8Array(Buffer.from(bytes, 'base64')) }
  })
  return { ...told, writes }
}

/** The rows as of the gateway's newest snapshot, where it has one: its log may not go back to the beginning. */
async function fetchCopy(source: FeedSource, { path, log }: LoggedFolder): Promise<void> {
  const snapshots = join(path, 'snapshots')
  const headers = { authorization: `Bearer ${source.token}` }
  const target = new URL('/changes?copy', source.url)
  const response = await fetch(target, { headers, signal: source.signal })
  if (response.status === 204) return
  if (response.status !== 200 || response.body === null)
    throw new MaintenanceError(`${source.url} gave no copy of its metadata (${response.status})`)
  const index = Number(response.headers.get('sluice-cursor'))
  const term = Number(response.headers.get('sluice-term'))
  await mkdir(snapshots, { recursive: true, mode: 0o700 })
  const file = join(snapshots, fileName('snapshot', index))
  const body = Readable.fromWeb(response.body as NodeStream<Uint8Array>)
  await pipeline(body, createWriteStream(`${file}.partial`, { mode: 0o600 }))
  {
    await using handle = await open(`${file}.partial`, 'r+')
    await handle.sync()
  }
  await rename(`${file}.partial`, file)
  syncDirectory(snapshots)
  await readSnapshot(snapshots, index)
  await using engine = await openLog({ engine: log, path: join(path, 'log') })
  await engine.log.purge({ index, term })
  await engine.meta.saveHardState({ term })
}
