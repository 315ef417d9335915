/**
 * `sluice migrate --from a.yaml --to b.yaml`: everything that a gateway on `a` served, for one on `b`, while
 * none runs. Exit code 0: it is all there; 1: it is not, and the same command goes on where it stopped.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { MetadataOptions } from '../../metadata/open.ts'
import type { StorageOptions } from '../../storage/open.ts'
import { type Config, loadConfig } from '../config.ts'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import { migrate as migrateStores, type MigrateSummary } from '../maintain/migrate.ts'
import { type Flags, type Invocation, UsageError } from './commands.ts'
import { Interruption } from './interruption.ts'
import { checkStored, holdFolders, openStores, type Stores } from './offline.ts'
import { bytesText, counted, durationText, ProgressBar } from './progress-bar.ts'
import { storePlace } from './store-place.ts'

export async function migrate({ flags, json }: Invocation): Promise<number> {
  const [from, to] = [await configAt(flags, 'from'), await configAt(flags, 'to')]
  checkPair(from, to)
  const started = performance.now()
  using _folders = holdFolders([from, to])
  await using source = await openStores(from)
  await using target = await openDestination(from, to, source)
  using interruption = new Interruption(
    'interrupted: the same command goes on where this one stopped',
  )
  using bar = new ProgressBar()
  const summary = await migrateStores({
    from: source,
    to: target,
    source: `${storePlace(from.metadata)}, ${storePlace(from.storage)}`,
    inlineMaxBytes: to.limits.inlineMaxBytes,
    verifies: flags['no-verify'] === undefined,
    clock: { now: () => Date.now() },
    signal: interruption.signal,
    progress: bar,
  })
  const seconds = (performance.now() - started) / 1000
  bar.print(
    json
      ? JSON.stringify({ summary, seconds })
      : closingLine(summary, seconds, flags['to'] ?? '', credentialsLeft(from, to)),
  )
  return 0
}

/** Of the two files alone: what the environment says would be said of both. */
async function configAt(flags: Flags, flag: 'from' | 'to'): Promise<Config> {
  const file = flags[flag]
  if (file === undefined) throw new UsageError(`migrate needs --${flag} FILE, a configuration`)
  return (await loadConfig({ flags: { config: file }, env: {} })).config
}

function checkPair(from: Config, to: Config): void {
  checkStored(from)
  for (const { engine } of [from.metadata, from.storage, to.metadata, to.storage]) {
    if (engine === 'memory')
      throw new MaintenanceError('an engine is memory: what it holds ends with its process')
  }
  const areSame = [isSame(from.metadata, to.metadata), isSame(from.storage, to.storage)]
  if (areSame[0] && areSame[1])
    throw new UsageError('--from and --to name the same stores: there is nothing to move')
  if (areSame[1] && !isDeepStrictEqual(from.storage.seal, to.storage.seal))
    throw new MaintenanceError('blobs cannot be sealed anew where they stand: choose another place')
  if (areSame[0] && to.storage.seal !== undefined && from.storage.seal === undefined)
    throw new MaintenanceError(
      'small objects stand in the metadata, which would keep them in clear: choose another place for the metadata too',
    )
}

function isSame(
  one: MetadataOptions | StorageOptions,
  other: MetadataOptions | StorageOptions,
): boolean {
  return storePlace(one) === storePlace(other)
}

/** A store that both configurations name is opened once, and stays as it is. */
async function openDestination(from: Config, to: Config, source: Stores): Promise<Stores> {
  const keepsMetadata = isSame(from.metadata, to.metadata)
  const keepsStorage = isSame(from.storage, to.storage)
  const opened = await openStores({
    ...to,
    ...(keepsMetadata && { metadata: { engine: 'memory' } }),
    ...(keepsStorage && { storage: { engine: 'memory' } }),
  })
  return {
    metadata: keepsMetadata ? source.metadata : opened.metadata,
    storage: keepsStorage ? source.storage : opened.storage,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  }
}

/** The source's own credentials, where the destination would make others. */
function credentialsLeft(
  from: Config,
  to: Config,
): readonly [from: string, to: string] | undefined {
  const [old, next] = [join(from.data, 'credentials.json'), join(to.data, 'credentials.json')]
  const isMissed = to.credentials.length === 0 && existsSync(old) && !existsSync(next)
  return isMissed ? [old, next] : undefined
}

/** What happened, and what to do next. */
export function closingLine(
  { wasFinished, blobs, bytes, rows, finished }: MigrateSummary,
  seconds: number,
  to: string,
  credentials?: readonly [from: string, to: string],
): string {
  const what = `${counted(rows, 'row')} and ${counted(blobs, 'blob')} (${bytesText(bytes)})`
  const words = wasFinished
    ? [`This was done on ${new Date(finished).toISOString()}: ${what}. Nothing was left to do.`]
    : [`Moved ${what} in ${durationText(seconds)}; the source is as it was.`]
  if (credentials !== undefined)
    words.push(`To keep the credentials, copy ${credentials[0]} to ${credentials[1]}.`)
  words.push(`Start the gateway with --config ${to}, and no longer the old one.`)
  return words.join(' ')
}
