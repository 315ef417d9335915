/**
 * The torrent of one object or of all objects below a prefix, made and verified against any S3.
 *
 * A client that has no peer asks the web seed for `<web seed>/<name of the torrent>/<path>` (BEP 19), so a
 * prefix gives a torrent of the name of its last folder, and its web seed is what stands before that.
 */
import type { Body } from '../lib/stream.ts'
import { createMetainfo, type CreateOptions, type SourceFile } from './create-metainfo.ts'
import { type Metainfo, TorrentError } from './metainfo.ts'
import type { InfoFile } from './info-files.ts'
import { urlOf } from './get-object-torrent.ts'

/** What is read from. */
export interface ObjectSource {
  /** Keys and sizes of all objects whose keys begin so. */
  list(
    bucket: string,
    prefix: string,
  ): AsyncIterable<{ readonly key: string; readonly sizeBytes: number }>
  /** The bytes of one object; rejects where it is not there. */
  read(bucket: string, key: string): Promise<Body>
}

export interface ObjectsPlace {
  readonly bucket: string
  /** A key, or a prefix that ends with `/`, or '' for the whole bucket. */
  readonly path: string
}

/** `s3://bucket/path`. Throws TorrentError for what is none. */
export function placeOf(uri: string): ObjectsPlace {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(uri)
  if (match === null)
    throw new TorrentError(`${uri} is no S3 URI: s3://bucket/key or s3://bucket/folder/`)
  return { bucket: match[1]!, path: match[2] ?? '' }
}

/** What the torrent is called, which files it has, and where its web seed is. */
interface Plan {
  readonly name: string
  readonly files: readonly (SourceFile & { readonly key: string })[]
  readonly webSeed: string
}

/** Finds the objects. Throws TorrentError where there are none, or their keys make no paths. */
export async function planTorrent(
  source: ObjectSource,
  { bucket, path }: ObjectsPlace,
  publicUrl: string,
): Promise<Plan> {
  const isFolder = path === '' || path.endsWith('/')
  const name = path.split('/').findLast((part) => part !== '') ?? bucket
  const files: (SourceFile & { readonly key: string })[] = []
  for await (const { key, sizeBytes } of source.list(bucket, path)) {
    if (!isFolder && key !== path) continue
    const below = isFolder ? key.slice(path.length) : name
    // What stands for a folder in a console holds nothing.
    if (below === '' || below.endsWith('/')) continue
    files.push({ key, path: below.split('/'), sizeBytes, read: () => source.read(bucket, key) })
  }
  if (files.length === 0) throw new TorrentError(`there is no object at s3://${bucket}/${path}`)
  if (!isFolder) return { name, files, webSeed: urlOf(publicUrl, bucket, path) }
  const before = path === '' ? undefined : path.slice(0, path.length - name.length - 1)
  return {
    name,
    files,
    webSeed: before === undefined ? `${publicUrl}/` : urlOf(publicUrl, bucket, before),
  }
}

/** The .torrent file of a plan. */
export function createFrom(
  { name, files, webSeed }: Plan,
  options: Omit<CreateOptions, 'name' | 'webSeeds'>,
): Promise<Buffer> {
  return createMetainfo(files, { ...options, name, webSeeds: [webSeed] })
}

/** A file that is not as the torrent says. */
export interface Mismatch {
  readonly path: string
  readonly problem: 'missing' | 'size' | 'bytes'
}

/**
 * Compares objects with a torrent: makes the torrent of them anew, in its versions and with its piece
 * length, and says which files differ. Version 2 tells each file by itself; of version 1 alone, pieces
 * that are wrong name the files in them.
 */
export async function verifyObjects(
  metainfo: Metainfo,
  source: ObjectSource,
  place: ObjectsPlace,
  options: Pick<CreateOptions, 'hasher' | 'onBytes'>,
): Promise<readonly Mismatch[]> {
  const { info } = metainfo
  const { files } = await planTorrent(source, place, 'http://localhost')
  const there = new Map(files.map((file) => [file.path.join('/'), file]))
  const wanted = info.files.filter(({ isPad, link }) => !isPad && link === undefined)
  const mismatches: Mismatch[] = []
  for (const file of wanted) {
    const path = file.path.join('/')
    const found = there.get(path) ?? (wanted.length === 1 && !info.isFolder ? files[0] : undefined)
    if (found === undefined) mismatches.push({ path, problem: 'missing' })
    else if (found.sizeBytes !== file.sizeBytes) mismatches.push({ path, problem: 'size' })
    else there.set(path, found)
  }
  if (info.hashes.v2 === undefined && mismatches.length > 0) return mismatches
  return [...mismatches, ...(await compareBytes(metainfo, wanted, mismatches, there, options))]
}

async function compareBytes(
  { info }: Metainfo,
  wanted: readonly InfoFile[],
  mismatches: readonly Mismatch[],
  there: ReadonlyMap<string, SourceFile>,
  { hasher: open, onBytes }: Pick<CreateOptions, 'hasher' | 'onBytes'>,
): Promise<readonly Mismatch[]> {
  const bad = new Set(mismatches.map(({ path }) => path))
  const byTree = info.hashes.v2 !== undefined
  using hasher = open({
    pieceBytes: info.pieceBytes,
    hashesPieces: !byTree,
    hashesTrees: byTree,
  })
  const found: Mismatch[] = []
  for (const file of info.files) {
    const path = file.path.join('/')
    if (file.isPad) {
      await hasher.endFile(file.sizeBytes)
      continue
    }
    if (bad.has(path) || !wanted.includes(file)) continue
    for await (const chunk of await there.get(path)!.read()) {
      await hasher.update(chunk)
      onBytes?.(chunk.length)
    }
    const { root } = await hasher.endFile(0)
    if (byTree && file.root?.equals(root ?? Buffer.alloc(0)) === false)
      found.push({ path, problem: 'bytes' })
  }
  return byTree ? found : wrongByPieces(info, await hasher.finish())
}

const SHA1_BYTES = 20

function wrongByPieces(info: Metainfo['info'], pieces: Buffer): readonly Mismatch[] {
  const wrong = new Set<string>()
  for (let i = 0; i < info.pieceCount; i++) {
    const [from, to] = [i * SHA1_BYTES, (i + 1) * SHA1_BYTES]
    if (pieces.subarray(from, to).equals(info.pieces!.subarray(from, to))) continue
    const [start, end] = [i * info.pieceBytes, (i + 1) * info.pieceBytes]
    for (const { path, offset, sizeBytes, isPad } of info.files)
      if (!isPad && sizeBytes > 0 && offset < end && offset + sizeBytes > start)
        wrong.add(path.join('/'))
  }
  return [...wrong].map((path) => ({ path, problem: 'bytes' }))
}
