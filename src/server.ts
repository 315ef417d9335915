/**
 * The gateway: everything is made and joined here, and this is the only file that knows all rooms.
 *
 * `startServer` resolves once requests are answered; `close` lets those under way end, then closes
 * everything in the reverse order of its making. Nothing here reads argv or the environment, installs
 * signal handlers or ends the process: a test or a host program may run several in one process.
 */
import { readFileSync } from 'node:fs'
import { openMetadataHistory } from '../metadata/open.ts'
import { openStorage, underKey } from '../storage/open.ts'
import { UNRESTRICTED } from './api/access.ts'
import type { CorsLookup } from './api/cors.ts'
import { S3Error } from './api/error.ts'
import { CLOCK_SKEW_MAX_MS } from './api/limits.ts'
import type { Facts } from './api/facts.ts'
import type { Requester, S3Api } from './api/operations.ts'
import type { WebsiteLookup } from './api/website.ts'
import { changesOf } from './changes.ts'
import { Authorizer } from './auth/authorize.ts'
import { createAuthenticator } from './auth/open.ts'
import { createPolicyRules } from './auth/policy-rules.ts'
import { parsePolicy } from './auth/policy-parse.ts'
import { Registry } from './auth/registry.ts'
import { type Credential as UserCredential, Users } from './auth/users.ts'
import { CountedMetadata } from './census.ts'
import { type Config, type Credential, userIdOf } from './config.ts'
import { openDataFolder } from './data-folder.ts'
import { ANNOUNCE_PATH, type Gate, type GateOptions, openGate } from './http/open.ts'
import type { Clock } from './lib/ids.ts'
import { Ulids } from './lib/ulid.ts'
import { listen, StartError } from './listen.ts'
import { type Log, SILENT_LOG } from './log.ts'
import { halfDone } from './maintain/half-done.ts'
import { Metrics } from './metrics.ts'
import { Closers, Ports } from './ports.ts'
import { readiness } from './readiness.ts'
import { createRequestRecorder } from './requests.ts'
import { leaseOf } from './s3/bucket-lease.ts'
import type { AccessLog } from './s3/access-log.ts'
import { openS3 } from './s3/open.ts'
import { userRows } from './s3/user-rows.ts'
import {
  BUCKET_LEASE_MS,
  credentialsOf,
  encryptionKeysOf,
  isHalfKept,
  isShared,
  needsFolder,
  s3OptionsOf,
  wantsLease,
} from './server-choices.ts'
import { S3Replicas } from './replicas.ts'
import { HttpWebhooks } from './webhooks.ts'
import { createTorrentS3, NO_TORRENTS } from './torrent/service.ts'
import { Tracker } from './torrent/tracker.ts'
import type { Torrents, TorrentsParts } from './torrents.ts'

export interface Server {
  /** `http://127.0.0.1:9000` */
  readonly url: string
  /** The same for the control port, where there is one. */
  readonly controlUrl: string | undefined
  /** Those that requests may be signed with, the owner of declared buckets first. */
  readonly credentials: readonly Credential[]
  /** The file of the credentials, where the data folder had to make them. */
  readonly credentialsFile: string | undefined
  /** Reads the certificate files again, for new connections; throws where they are no good, and goes on with the old. */
  reloadTls(): void
  /** Resolves to false where requests had to be cut off after `shutdownTimeoutMs`. */
  close(): Promise<boolean>
}

const SYSTEM_CLOCK: Clock = { now: () => Date.now() }

export async function startServer(config: Config, log: Log = SILENT_LOG): Promise<Server> {
  const closers = new Closers()
  try {
    return await start(config, log, closers)
  } catch (error) {
    await closers.close()
    throw error
  }
}

async function start(config: Config, log: Log, closers: Closers): Promise<Server> {
  const folder = needsFolder(config) ? openDataFolder(config.data) : undefined
  if (folder) closers.add(() => folder.release())
  const { credentials, file } = credentialsOf(config, folder)
  const metrics = new Metrics()
  const { store, history } = await openMetadataHistory(config.metadata, metrics)
  const metadata = new CountedMetadata(store)
  closers.add(() => metadata[Symbol.asyncDispose]())
  const half = await halfDone(metadata)
  if (half !== undefined) throw new StartError(half)
  const storage = await openStorage(config.storage, metrics)
  closers.add(() => storage[Symbol.asyncDispose]())
  const known = credentials.map(compiled)
  const users = new Users(known)
  const encryptionKeys = encryptionKeysOf(config, folder)
  const registry = new Registry({
    users,
    store: userRows(metadata, SYSTEM_CLOCK, encryptionKeys.s3),
    credentials: known,
    policies: config.policies,
    groups: config.groups,
    idOf: userIdOf,
  })
  await registry.reload()
  closers.add(keepReloading(registry, log))
  const replicas = new S3Replicas(config.replication)
  closers.add(() => replicas[Symbol.asyncDispose]())
  const {
    api: s3,
    cors,
    facts,
    website,
    sweep,
    lifecycle,
    inventories,
    outbox,
    replication,
    accessLog,
  } = openS3({
    metadata,
    storage,
    clock: SYSTEM_CLOCK,
    ids: new Ulids(SYSTEM_CLOCK),
    meter: metrics,
    options: s3OptionsOf(config),
    ...(!isShared(config) && { versionRemovals: () => metadata.versionRemovals }),
    policies: createPolicyRules(config.compat === 'aws-2026'),
    people: users,
    encryption: { underKey: underKey(storage), keys: encryptionKeys },
    ...(wantsLease(config) && { lease: leaseOf(BUCKET_LEASE_MS) }),
    sweep: {
      intervalMs: config.sweepIntervalMs,
      graceMs: config.sweepGraceMs,
      orphansEveryMs: config.orphansEveryMs,
      unclean: folder?.isUnclean === true || isHalfKept(config),
      onError: (error) => log.error('the sweep failed; it will try again', { error }),
    },
    lifecycle: {
      ...config.lifecycle,
      onError: (error) =>
        log.error('the lifecycle of a bucket failed; it will be tried again', { error }),
    },
    inventory: {
      secondsPerDay: config.lifecycle.secondsPerDay,
      intervalMs: config.lifecycle.intervalMs,
      onError: (error) =>
        log.error('an inventory report failed; it will be tried again', { error }),
    },
    replicas,
    replication: {
      onError: (error) =>
        log.warn('a version was not replicated; it will be tried again', { error }),
    },
    webhooks: new HttpWebhooks(config.webhooks),
    accessLogMs: config.accessLogMs,
    outbox: {
      giveUpMs: config.webhooks.giveUpMs,
      onError: (error) => log.warn('a webhook was not told; it will be tried again', { error }),
    },
  })
  closers.add(() => sweep.stop())
  closers.add(() => lifecycle.stop())
  closers.add(() => inventories.stop())
  closers.add(() => outbox.stop())
  closers.add(() => replication.stop())
  closers.add(() => accessLog.stop())
  const place = { url: config.publicUrl?.replace(/\/+$/, '') }
  const torrents = await torrentsOf(config, { api: s3, facts, log, meter: metrics })
  const api = withTorrents(torrents?.api ?? s3, config, () => place.url ?? '')
  await declareBuckets(api, config, credentials[0]!)
  metrics.gauge('sluice_buckets', 'Buckets.', () => metadata.buckets())
  metrics.gauge(
    'sluice_objects',
    'Objects (keys), as counted since the start.',
    () => metadata.objects,
  )

  let isClosing = false
  const ready = async (): Promise<Readonly<Record<string, string>>> =>
    isClosing ? { server: 'closing' } : readiness(metadata, storage)
  const ending = new AbortController()
  const changes =
    history && config.feedToken ? changesOf(history, config.feedToken, ending.signal) : undefined
  const parts = {
    api,
    cors,
    website,
    facts: torrents?.facts ?? facts,
    users,
    registry,
    metrics,
    log,
    accessLog,
    ready,
    changes,
    torrents: torrents?.desk,
  }
  const gate = openGate(gateOptionsOf(config, parts))
  closers.add(() => gate[Symbol.dispose]())

  const ports = new Ports(config, closers)
  const { url, controlUrl } = await openPorts(config, ports, gate)
  place.url ??= url
  sweep.start()
  lifecycle.start()
  inventories.start()
  outbox.start()
  replication.start()
  accessLog.start()
  closers.add(startCensus(metadata, log))
  if (torrents !== undefined) {
    // Whoever reads what is still downloaded would keep the ports open.
    closers.add(() => torrents.close())
    await torrents.start()
  }
  // First of all: who follows would otherwise keep the ports open.
  closers.add(() => ending.abort())
  return {
    url,
    controlUrl,
    credentials,
    credentialsFile: file,
    reloadTls: () => ports.reloadTls(),
    async close() {
      isClosing = true
      await closers.close()
      return ports.isWhole
    },
  }
}

async function torrentsOf(
  { torrents }: Config,
  parts: Omit<TorrentsParts, 'config' | 'clock'>,
): Promise<Torrents | undefined> {
  if (torrents === undefined) return undefined
  const { openTorrents } = await import('./torrents.ts')
  return openTorrents({ ...parts, config: torrents, clock: SYSTEM_CLOCK })
}

async function openPorts(
  { host, port, control }: Config,
  ports: Ports,
  gate: Gate,
): Promise<Pick<Server, 'url' | 'controlUrl'>> {
  const main = ports.create()
  gate.attach(main)
  const url = await listen(main, host, port)
  if (control === undefined) return { url, controlUrl: undefined }
  const second = ports.create()
  gate.attachControl(second)
  return { url, controlUrl: await listen(second, control.host, control.port) }
}

/** `publicUrl`: how clients reach us; known once we listen. */
function withTorrents(
  api: S3Api,
  { hasTorrents, hasTracker }: Config,
  publicUrl: () => string,
): S3Api {
  if (!hasTorrents) return { ...api, ...NO_TORRENTS }
  const trackers = (): readonly string[] => (hasTracker ? [publicUrl() + ANNOUNCE_PATH] : [])
  return { ...api, ...createTorrentS3(api, { publicUrl, trackers }) }
}

interface GateParts {
  readonly api: S3Api
  readonly cors: CorsLookup
  readonly website: WebsiteLookup
  readonly facts: Facts
  readonly users: Users
  readonly registry: Registry
  readonly metrics: Metrics
  readonly log: Log
  readonly accessLog: AccessLog
  readonly ready: GateOptions['control']['ready']
  readonly changes: GateOptions['control']['changes']
  readonly torrents: GateOptions['torrents']
}

function gateOptionsOf(config: Config, parts: GateParts): GateOptions {
  const { api, cors, website, facts, users, registry, metrics, log, accessLog, ready, changes } =
    parts
  const { torrents } = parts
  return {
    api,
    cors,
    websites: { domains: config.websiteDomains, read: website },
    authenticator: createAuthenticator({
      users,
      region: config.signingRegion,
      clock: SYSTEM_CLOCK,
      skewMaxMs: CLOCK_SKEW_MAX_MS,
      allowsVersion2: config.allowsVersion2,
      publicUrl: config.publicUrl,
    }),
    authorize: new Authorizer({
      facts,
      clock: SYSTEM_CLOCK,
      region: config.region,
      compat: config.compat,
    }),
    administration: registry,
    ...(torrents && { torrents }),
    region: config.region,
    keysInClear: config.compat === 'legacy',
    malformedChecksum: config.compat === 'legacy' ? 'BadDigest' : 'InvalidRequest',
    behindTls: config.publicUrl?.startsWith('https:') === true,
    domains: config.domains,
    trustedProxies: config.trustedProxies,
    putBytesMax: config.limits.maxObjectSizeBytes,
    bodyTimeoutMs: config.limits.idleTimeoutMs,
    onRequest: recorderOf(createRequestRecorder(log, metrics), accessLog),
    ...(config.hasTracker && { tracker: new Tracker(SYSTEM_CLOCK, Math.random) }),
    controlOnMain: config.control === undefined,
    control: {
      ready,
      metrics: async () => (await metrics.scrape()).text,
      metricsToken: config.metricsToken,
      openapi: readOpenApi,
      changes,
    },
  }
}

/** Every request is told twice: to our own log, and to that of its bucket. */
function recorderOf(
  record: GateOptions['onRequest'],
  accessLog: AccessLog,
): GateOptions['onRequest'] {
  return (entry) => {
    record(entry)
    accessLog.record(entry)
  }
}

/** Other gateways on the same metadata may change users: they are looked at again so often. */
const USERS_RELOAD_MS = 10_000

function keepReloading(registry: Registry, log: Log): () => void {
  const timer = setInterval(() => {
    registry.reload().catch((error: unknown) => log.warn('the users could not be read', { error }))
  }, USERS_RELOAD_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** With its policies as they are judged; a policy that is none ends the start. */
function compiled(credential: Credential): UserCredential {
  const { policies, ...rest } = credential
  try {
    return { ...rest, policies: policies?.map((text) => parsePolicy(text, { bucket: undefined })) }
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    throw new StartError(`a policy of the access key ${rest.accessKeyId}: ${error.message}`)
  }
}

async function declareBuckets(api: S3Api, config: Config, owner: Credential): Promise<void> {
  const requester: Requester = { id: owner.userId, displayName: owner.displayName }
  const call = {
    requestId: 'START',
    requester,
    access: UNRESTRICTED,
    signal: new AbortController().signal,
  }
  const own = config.torrents === undefined ? [] : [config.torrents.bucket]
  for (const Bucket of [...config.buckets, ...own]) {
    const place = config.region === 'us-east-1' ? {} : locatedIn(config.region)
    try {
      await api.CreateBucket?.({ Bucket, ...place }, call)
    } catch (error) {
      if (error instanceof S3Error && error.code === 'BucketAlreadyOwnedByYou') continue
      if (!(error instanceof S3Error)) throw error
      throw new StartError(`the bucket ${Bucket} cannot be made: ${error.message}`)
    }
  }
}

function locatedIn(
  region: string,
): Pick<Parameters<NonNullable<S3Api['CreateBucket']>>[0], 'CreateBucketConfiguration'> {
  // Regions are AWS's words in the model, and anybody's here.
  return { CreateBucketConfiguration: { LocationConstraint: region as 'eu-west-1' } }
}

function readOpenApi(): string {
  return readFileSync(new URL('../openapi/s3.openapi.json', import.meta.url), 'utf8')
}

/** Begins to count the objects, off the requests' time; the result ends it. */
function startCensus(metadata: CountedMetadata, log: Log): () => Promise<void> {
  const ending = new AbortController()
  const walk = metadata.walk(ending.signal).catch((error: unknown) => {
    if (!ending.signal.aborted) log.warn('the objects could not be counted', { error })
  })
  return async () => {
    ending.abort()
    await walk
  }
}
