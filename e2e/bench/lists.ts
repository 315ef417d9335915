/** Listings of large buckets, and the completion of an upload of 10,000 parts. */
import { join } from 'node:path'
import { openMetadata } from '../../metadata/open.ts'
import { UNRESTRICTED } from '../../src/api/access.ts'
import { payloadOf } from '../../src/api/payload-of.ts'
import { PART_BYTES_MIN } from '../../src/api/limits.ts'
import type { Call } from '../../src/api/operations.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { Ulids } from '../../src/lib/ulid.ts'
import { openS3 } from '../../src/s3/open.ts'
import { openStorage } from '../../storage/open.ts'
import type { Figures } from './figures.ts'
import { measure, type Server } from './small.ts'
import { ask, Wire } from './wire.ts'

const CALL: Call = {
  requestId: '0000000000000000',
  requester: { id: 'bench', displayName: 'bench' },
  access: UNRESTRICTED,
  signal: new AbortController().signal,
}

export function keyOf(i: number): string {
  return `folder-${String(i % 1000).padStart(4, '0')}/object-${String(i).padStart(8, '0')}`
}

/**
 * Fills a bucket of a data folder in this process, far faster than over HTTP; no gateway may run on it.
 * The objects are empty: a listing reads rows alone.
 */
export async function fill(metadataPath: string, bucket: string, count: number): Promise<void> {
  const clock = { now: () => Date.now() }
  await using metadata = await openMetadata({ engine: 'sqlite', path: metadataPath }, SILENT)
  await using storage = await openStorage({ engine: 'memory' }, SILENT)
  const options = {
    region: 'us-east-1',
    inlineMaxBytes: 4096,
    putBytesMax: 5 * 1024 ** 3,
    partBytesMin: 0,
    abandonedUploadMs: 0,
    etag: 'md5' as const,
    compat: 'legacy' as const,
  }
  const { api } = openS3({
    metadata,
    storage,
    clock,
    ids: new Ulids(clock),
    options,
    meter: SILENT,
    policies: { check: () => ({ isPublic: false, opensToWriters: false }), lets: () => false },
    people: { name: () => undefined, byEmail: () => undefined },
    sweep: { onError: () => {} },
  })
  await api.CreateBucket!({ Bucket: bucket }, CALL)
  let next = 0
  const worker = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++)
      await api.PutObject!(
        { Bucket: bucket, Key: keyOf(i), Body: payloadOf(new Uint8Array(0)) },
        CALL,
      )
  }
  await Promise.all(Array.from({ length: 256 }, worker))
}

/** Behind it stand the last 1,000 keys: `count / 1000` are in each of 1,000 folders. */
function beforeLast(count: number): string {
  const folders = Math.min(1000, 1_000_000 / count)
  return `folder-${String(1000 - folders).padStart(4, '0')}/`
}

export async function listWorks(
  server: Server,
  bucket: string,
  count: number,
  rounds: number,
): Promise<Figures[]> {
  const pages: readonly (readonly [string, string])[] = [
    ['first page of 1,000', `/${bucket}?list-type=2`],
    [
      'last page of 1,000',
      `/${bucket}?list-type=2&start-after=${encodeURIComponent(beforeLast(count))}`,
    ],
    ['1,000 common prefixes', `/${bucket}?delimiter=%2F&list-type=2`],
  ]
  const figures: Figures[] = []
  for (const [name, path] of pages) {
    const request = ask(server.site, 'GET', path)
    await measure(
      server,
      name,
      Array.from({ length: 20 }, () => request),
      1,
      200,
    )
    figures.push(
      await measure(
        server,
        `list ${count.toLocaleString('en')} keys: ${name}`,
        Array.from({ length: rounds }, () => request),
        1,
        200,
      ),
    )
  }
  return figures
}

/** Makes an upload of `parts` parts, each a copy of one object of 5 MiB (no bytes move), then times the Complete alone. */
export async function completeWork(server: Server, key: string, parts: number): Promise<Figures> {
  const lines = await Promise.all(Array.from({ length: 32 }, () => Wire.open(server.site)))
  const wire = lines[0]!
  const source = ask(server.site, 'PUT', '/bench/part-source', {
    body: new Uint8Array(PART_BYTES_MIN).fill(99),
  })
  await expectOk(wire.read(source))
  const created = await expectOk(wire.read(ask(server.site, 'POST', `/bench/${key}?uploads=`)))
  const uploadId = /<UploadId>(.*?)<\/UploadId>/.exec(created)?.[1] ?? ''
  const headers = { 'x-amz-copy-source': '/bench/part-source' }
  const etags: string[] = []
  await Promise.all(
    lines.map(async (line, i) => {
      for (let n = i + 1; n <= parts; n += lines.length) {
        const path = `/bench/${key}?partNumber=${n}&uploadId=${uploadId}`
        const copied = await expectOk(line.read(ask(server.site, 'PUT', path, { headers })))
        etags[n] = /<ETag>(?:"|&quot;)(.*?)(?:"|&quot;)<\/ETag>/.exec(copied)?.[1] ?? ''
      }
    }),
  )
  const list = etags
    .map((etag, n) => `<Part><PartNumber>${n}</PartNumber><ETag>"${etag}"</ETag></Part>`)
    .join('')
  const body = Buffer.from(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`)
  const request = ask(server.site, 'POST', `/bench/${key}?uploadId=${uploadId}`, { body })
  const started = performance.now()
  await expectOk(wire.read(request))
  const ms = performance.now() - started
  for (const line of lines) line.close()
  return { work: `Complete of ${parts.toLocaleString('en')} parts`, p50Ms: ms }
}

async function expectOk(
  answer: Promise<{ status: number; text: string; head: string }>,
): Promise<string> {
  const { status, text, head } = await answer
  if (status !== 200 || text.includes('<Error>'))
    throw new Error(`answered ${status}: ${head}${text}`)
  return text
}

/** Where the gateway keeps its rows below a data folder. */
export function metadataPath(dataDir: string): string {
  return join(dataDir, 'metadata', 'rows.db')
}
