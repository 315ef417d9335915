/**
 * `sluice torrent create` and `verify`: the torrent of an object or of all objects below a prefix, at any
 * S3, made or compared by reading them.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { parseSize, UnitError } from '../config-units.ts'
import type { Body } from '../lib/stream.ts'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import type { TorrentVersion } from '../torrent/create-metainfo.ts'
import { TorrentError } from '../torrent/metainfo.ts'
import { readMetainfo } from '../torrent/read-metainfo.ts'
import { ThreadRowHasher } from '../torrent/row-hasher.ts'
import {
  createFrom,
  type ObjectSource,
  placeOf,
  planTorrent,
  verifyObjects,
} from '../torrent/torrent-of-objects.ts'
import { type Flags, type Invocation, UsageError } from './commands.ts'
import { targetOfFlags } from './gateway-target.ts'
import { bytesText, counted, ProgressBar } from './progress-bar.ts'
import type { Target } from './signed-request.ts'
import { plain } from './torrent-lines.ts'

const VERSIONS: readonly string[] = ['v1', 'v2', 'hybrid']

export async function create({ operands, flags }: Invocation): Promise<number> {
  const [uri = ''] = operands
  const { out } = flags
  const version = versionOf(flags)
  const pieceBytes = pieceBytesOf(flags)
  const target = await targetOfFlags(flags, process.env)
  using source = await openSource(target)
  const made = await plainly(async () => {
    const publicUrl = (flags['public-url'] ?? target.endpoint).replace(/\/+$/, '')
    const plan = await planTorrent(source, placeOf(uri), publicUrl)
    const total = plan.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    using bar = new ProgressBar()
    bar.begin('hashing', { bytes: total })
    const torrent = await createFrom(plan, {
      version,
      ...(pieceBytes !== undefined && { pieceBytes }),
      trackers: (flags['tracker'] ?? '').split(',').flatMap((url) => (url === '' ? [] : [[url]])),
      createdBy: 'Sluice',
      createdAt: Date.now(),
      hasher: (options) => new ThreadRowHasher(options),
      onBytes: (count) => bar.add(0, count),
    })
    return { torrent, total, count: plan.files.length, webSeed: plan.webSeed }
  })
  if (out === undefined) {
    process.stdout.write(made.torrent)
    return 0
  }
  await writeFile(out, made.torrent)
  const what = `${counted(made.count, 'file')} (${bytesText(made.total)})`
  process.stdout.write(
    `Wrote ${out}: ${what}, web seed ${made.webSeed}; objects that anyone may read need no other seed.\n`,
  )
  return 0
}

export async function verify({ operands, flags, json }: Invocation): Promise<number> {
  const [file = '', uri = ''] = operands
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new MaintenanceError(`${file} cannot be read (${error.code})`)
  })
  using source = await openSource(await targetOfFlags(flags, process.env))
  const mismatches = await plainly(async () => {
    const metainfo = readMetainfo(bytes)
    using bar = new ProgressBar()
    bar.begin('comparing', { bytes: metainfo.info.totalBytes })
    return verifyObjects(metainfo, source, placeOf(uri), {
      hasher: (options) => new ThreadRowHasher(options),
      onBytes: (count) => bar.add(0, count),
    })
  })
  if (json) process.stdout.write(`${JSON.stringify(mismatches)}\n`)
  else {
    for (const { path, problem } of mismatches)
      process.stdout.write(`${WORDS[problem]}: ${plain(path)}\n`)
    if (mismatches.length === 0)
      process.stdout.write(`Nothing differs: ${uri} is as ${file} says.\n`)
  }
  return mismatches.length === 0 ? 0 : 1
}

const WORDS = {
  missing: 'is missing',
  size: 'has another size',
  bytes: 'has other bytes',
} as const

function versionOf(flags: Flags): TorrentVersion {
  const version = flags['torrent-version'] ?? 'hybrid'
  if (!VERSIONS.includes(version))
    throw new UsageError(`--torrent-version is one of ${VERSIONS.join(', ')}`)
  return version as TorrentVersion
}

function pieceBytesOf(flags: Flags): number | undefined {
  const text = flags['piece-size']
  if (text === undefined) return undefined
  try {
    return parseSize(text)
  } catch (error) {
    if (error instanceof UnitError) throw new UsageError(`--piece-size: ${error.message}`)
    throw error
  }
}

/** What is wrong with a torrent or with the S3 is told in a line. */
async function plainly<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    const isOfS3 = error instanceof Error && '$metadata' in error
    if (!(error instanceof TorrentError) && !isOfS3) throw error
    throw new MaintenanceError(error.message || error.name, { cause: error })
  }
}

async function openSource(target: Target): Promise<ObjectSource & Disposable> {
  const { GetObjectCommand, ListObjectsV2Command, S3Client } = await import('@aws-sdk/client-s3')
  const client = new S3Client({
    endpoint: target.endpoint,
    region: target.region,
    credentials: target.credential,
    forcePathStyle: true,
  })
  return {
    async *list(bucket, prefix) {
      let token: string | undefined
      do {
        const page = await client.send(
          new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }),
        )
        for (const { Key, Size } of page.Contents ?? [])
          if (Key !== undefined) yield { key: Key, sizeBytes: Size ?? 0 }
        token = page.NextContinuationToken
      } while (token !== undefined)
    },
    async read(bucket, key) {
      const { Body: body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
      return body as unknown as Body
    },
    [Symbol.dispose]: () => client.destroy(),
  }
}
