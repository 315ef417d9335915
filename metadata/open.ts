/**
 * The door: from what the configuration says to a metadata store with its layers. An engine's code is
 * loaded when it is asked for.
 */
import path from 'node:path'
import { makeDirectory } from '../src/lib/durable-directory.ts'
import type { Meter } from '../src/lib/meter.ts'
import type { LogEngineName } from '../src/log/open.ts'
import type { History } from './history.ts'
import type { CacheOptions } from './cached.ts'
import type { ContainerOptions } from './cosmos-container.ts'
import type { TableOptions } from './dynamodb-table.ts'
import type { DatabaseOptions } from './firestore-database.ts'
import type { LoggedMetadata } from './logged.ts'
import { MeasuredMetadata } from './measured.ts'
import type { PostgresOptions } from './postgres-wire.ts'
import type { MetadataStore } from './store.ts'

export type EngineOptions =
  /** Gone with the process. */
  | { readonly engine: 'memory' }
  /** In memory, and made durable by a log and snapshots, in one folder. Made where it is missing; one process at a time. */
  | { readonly engine: 'logged'; readonly path: string; readonly log: 'segment' | 'sqlite' }
  /** A folder of logs in readable lines, all rows in memory, and one process at a time. Made where it is missing. */
  | { readonly engine: 'jsonl'; readonly path: string }
  /** A database and the folder of its log beside it, and one process at a time. Its directory is made where it is missing. */
  | { readonly engine: 'sqlite'; readonly path: string }
  /** A PostgreSQL database, which any number of processes share. */
  | ({ readonly engine: 'postgres' } & PostgresOptions)
  /** A table of DynamoDB, which any number of processes share. */
  | ({ readonly engine: 'dynamodb' } & TableOptions)
  /** A database of Firestore, likewise shared. */
  | ({ readonly engine: 'firestore' } & DatabaseOptions)
  /** A container of Azure Cosmos DB, likewise shared. */
  | ({ readonly engine: 'cosmos' } & ContainerOptions)

export type MetadataOptions = EngineOptions & {
  /** Rows that are kept in memory between this process and the engine. */
  readonly cache?: CacheOptions
}

/**
 * Rejects with `StoreLocked` where another process has the store, and with an error that says what is
 * wrong where its file is not one of ours.
 */
export async function openMetadata(options: MetadataOptions, meter: Meter): Promise<MetadataStore> {
  return (await openMetadataHistory(options, meter)).store
}

/** The same, and the history of what is committed, where the engine keeps one. */
export async function openMetadataHistory(
  options: MetadataOptions,
  meter: Meter,
): Promise<{ readonly store: MetadataStore; readonly history: History | undefined }> {
  const engine = await openEngine(options, meter)
  const history = 'history' in engine ? (engine.history as History) : undefined
  return { store: await withLayers(engine, options, meter), history }
}

async function withLayers(
  store: MetadataStore,
  options: MetadataOptions,
  meter: Meter,
): Promise<MetadataStore> {
  const monotonicMs = (): number => performance.now()
  const measured = new MeasuredMetadata(store, meter, monotonicMs)
  if (options.cache === undefined) return measured
  const { CachedMetadata } = await import('./cached.ts')
  return new CachedMetadata(measured, options.cache, meter, monotonicMs)
}

async function openEngine(options: EngineOptions, meter: Meter): Promise<MetadataStore> {
  if (options.engine === 'memory') {
    const { MemoryStore } = await import('./memory.ts')
    return new MemoryStore()
  }
  if (options.engine === 'jsonl') {
    const { JsonlStore } = await import('./jsonl.ts')
    const folder = path.resolve(options.path)
    makeDirectory(folder)
    return JsonlStore.open({ path: folder, meter })
  }
  if (options.engine === 'logged') return openLogged(options.path, options.log, meter)
  if (options.engine === 'postgres') {
    const { openPostgres } = await import('./postgres.ts')
    return openPostgres(options, meter)
  }
  if (options.engine === 'dynamodb') {
    const { DynamodbStore } = await import('./dynamodb.ts')
    return DynamodbStore.open(options)
  }
  if (options.engine === 'firestore') {
    const { FirestoreStore } = await import('./firestore.ts')
    return FirestoreStore.open(options)
  }
  if (options.engine === 'cosmos') {
    const { CosmosStore } = await import('./cosmos.ts')
    return CosmosStore.open(options)
  }
  const { SqliteStore } = await import('./sqlite.ts')
  makeDirectory(path.dirname(path.resolve(options.path)))
  return new SqliteStore({ path: options.path, meter })
}

/** Rows in memory with a log, without layers: for those who follow or restore a history. */
export async function openLogged(
  folder: string,
  engine: LogEngineName,
  meter: Meter,
): Promise<LoggedMetadata> {
  const { openLog } = await import('../src/log/open.ts')
  const { LoggedMetadata } = await import('./logged.ts')
  const snapshots = path.resolve(folder, 'snapshots')
  makeDirectory(snapshots)
  const opened = await openLog({ engine, path: path.join(folder, 'log') })
  return LoggedMetadata.open({ engine: opened, snapshots, meter, nowMs: Date.now })
}
