/** The section `torrents`: what its keys may be, and what comes of them. */
import * as z from 'zod'
import { preset } from './config-options.ts'
import { BUCKET, choice, duration, FLAG, PLACE, PORT, size, TEXT } from './config-values.ts'

export interface TorrentsSettings<Measure> {
  engine: 'off' | 'auto' | 'libtorrent' | 'webtorrent'
  bucket: string
  host: string
  port: number
  dht: boolean
  lsd: boolean
  portMapping: boolean
  downloadRate: Measure
  uploadRate: Measure
  connections: number
  memory: Measure
  seed: boolean
  seedRatio: number
  readTimeout: Measure
  watch?: string | undefined
  allow: string[]
}

export interface TorrentsConfig {
  readonly engine: 'auto' | 'libtorrent' | 'webtorrent'
  /** Where the registry stands. */
  readonly bucket: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly finds: { readonly dht: boolean; readonly local: boolean; readonly portMapping: boolean }
  /** Bytes a second; 0: no bound. */
  readonly limits: {
    readonly downloadRateMax: number
    readonly uploadRateMax: number
    readonly connectionsMax: number
  }
  readonly memoryBytes: number
  readonly seeds: boolean
  readonly seedRatio: number
  readonly readTimeoutMs: number
  /** '' or a prefix that ends with a slash. */
  readonly watch: { readonly bucket: string; readonly prefix: string } | undefined
  readonly allow: readonly string[]
}

const GIB: number = 2 ** 30
const RATE = '0 (no bound) to 100GiB'
const WATCHED = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/\P{Cc}{0,500})?$/u

export const TORRENTS: z.ZodType<
  TorrentsSettings<number>,
  Partial<Record<string, unknown>> | undefined
> = z
  .strictObject({
    engine: choice('torrents.engine', ['off', 'auto', 'libtorrent', 'webtorrent']),
    bucket: BUCKET.prefault(preset('torrents.bucket') as string),
    host: TEXT.prefault(preset('torrents.host') as string),
    port: PORT.prefault(preset('torrents.port') as number),
    dht: FLAG.prefault(preset('torrents.dht') as 'false'),
    lsd: FLAG.prefault(preset('torrents.lsd') as 'false'),
    portMapping: FLAG.prefault(preset('torrents.portMapping') as 'false'),
    downloadRate: size('torrents.downloadRate', 0, 100 * GIB, RATE),
    uploadRate: size('torrents.uploadRate', 0, 100 * GIB, RATE),
    connections: z
      .int()
      .min(1)
      .max(100_000)
      .prefault(preset('torrents.connections') as number),
    memory: size('torrents.memory', 16 * 2 ** 20, 64 * GIB, '16MiB to 64GiB'),
    seed: FLAG.prefault(preset('torrents.seed') as 'true'),
    seedRatio: z
      .number()
      .min(0)
      .max(1000)
      .prefault(preset('torrents.seedRatio') as number),
    readTimeout: duration('torrents.readTimeout', 1000, 3_600_000, '1s to 1h'),
    watch: z
      .string()
      .regex(WATCHED, 'a bucket, or a bucket and a folder in it (inbox, media/inbox/), is expected')
      .optional(),
    allow: z.array(PLACE).prefault([]),
  })
  .prefault({})

/** Undefined: no torrents are downloaded. */
export function resolveTorrents(settings: TorrentsSettings<number>): TorrentsConfig | undefined {
  const { engine, bucket, host, port, dht, lsd, portMapping } = settings
  if (engine === 'off') return undefined
  const { downloadRate, uploadRate, connections, watch } = settings
  return {
    engine,
    bucket,
    listen: { host, port },
    finds: { dht, local: lsd, portMapping },
    limits: {
      downloadRateMax: downloadRate,
      uploadRateMax: uploadRate,
      connectionsMax: connections,
    },
    memoryBytes: settings.memory,
    seeds: settings.seed,
    seedRatio: settings.seedRatio,
    readTimeoutMs: settings.readTimeout,
    watch: watch === undefined ? undefined : watchedPlace(watch),
    allow: settings.allow,
  }
}

function watchedPlace(text: string): { readonly bucket: string; readonly prefix: string } {
  const slash = text.indexOf('/')
  if (slash < 0) return { bucket: text, prefix: '' }
  const folder = text.slice(slash + 1)
  const prefix = folder === '' || folder.endsWith('/') ? folder : `${folder}/`
  return { bucket: text.slice(0, slash), prefix }
}
