/** A .torrent file, or the info dictionary that peers sent, to what it says; refused where it does not fit together. */
import { hash } from 'node:crypto'
import { BencodedDictionary, BencodeError, bdecodeFirst } from './bencode.ts'
import { areSameFiles, filesOfList, filesOfTree, type InfoFile } from './info-files.ts'
import { BLOCK_BYTES, rootOfPieces, SHA256_BYTES } from './merkle.ts'
import { type Info, type InfoHashes, type Metainfo, TorrentError } from './metainfo.ts'
import { safeName } from './safe-name.ts'

/** Bytes of a .torrent file, at most. */
export const METAINFO_BYTES_MAX: number = 80_000_000
/** Pieces of one torrent, at most (libtorrent: 2^21). */
export const PIECES_MAX: number = 2 ** 21
/** Bytes of a piece, at most (libtorrent's bound). */
export const PIECE_BYTES_MAX: number = (2 ** 15 - 1) * BLOCK_BYTES
const SHA1_BYTES = 20

/**
 * Reads a .torrent file. Throws TorrentError: malformed, or its parts contradict each other. Piece
 * layers may be missing, as they are where a torrent was made out of a magnet link; peers have them.
 */
export function readMetainfo(bytes: Uint8Array): Metainfo {
  if (bytes.length > METAINFO_BYTES_MAX)
    throw new TorrentError(`a torrent of more than ${METAINFO_BYTES_MAX} bytes`)
  const torrent = decoded(bytes)
  const dictionary = torrent.dictionary('info')
  if (dictionary === undefined) throw new TorrentError('no "info" dictionary')
  const info = infoOf(dictionary)
  const created = torrent.integer('creation date')
  return {
    info,
    pieceLayers: pieceLayersOf(torrent, info),
    trackers: trackersOf(torrent),
    webSeeds: webSeedsOf(torrent),
    comment: torrent.text('comment.utf-8') ?? torrent.text('comment'),
    createdBy: torrent.text('created by.utf-8') ?? torrent.text('created by'),
    createdAt: created === undefined || created < 0 ? undefined : created * 1000,
  }
}

/** Reads an info dictionary alone (BEP 9). Throws TorrentError. */
export function readInfo(bytes: Uint8Array): Info {
  return infoOf(decoded(bytes))
}

function decoded(bytes: Uint8Array): BencodedDictionary {
  let value
  try {
    value = bdecodeFirst(bytes)
  } catch (error) {
    if (error instanceof BencodeError) throw new TorrentError(error.message, { cause: error })
    throw error
  }
  if (value instanceof BencodedDictionary) return value
  throw new TorrentError('a torrent is a dictionary, and this is none')
}

function infoOf(info: BencodedDictionary): Info {
  const version = info.integer('meta version')
  if (version !== undefined && version > 0) {
    if (!info.isCanonical) throw new TorrentError('the info dictionary is not canonical')
    if (version > 2) throw new TorrentError(`version ${version} of torrents is not known`)
  }
  const isV2 = version === 2
  const tree = info.get('file tree')
  if (isV2 !== (tree !== undefined))
    throw new TorrentError('"meta version" 2 and a "file tree" go together')
  const pieceBytes = pieceBytesOf(info, isV2)
  const written = info.text('name.utf-8') ?? info.text('name')
  if (!written) throw new TorrentError('the torrent has no name')
  const name = safeName(written)

  const isV1 = !isV2 || info.get('files') !== undefined || info.get('length') !== undefined
  const list = isV1 ? filesOfList(info, name) : undefined
  const files = isV2 ? filesOfVersion2(tree!, pieceBytes, list) : list!
  if (files.length === 0) throw new TorrentError('the torrent has no file')
  const last = files.at(-1)!
  const totalBytes = last.offset + last.sizeBytes
  const pieceCount = Math.ceil(totalBytes / pieceBytes)
  if (pieceCount > PIECES_MAX) throw new TorrentError(`more than ${PIECES_MAX} pieces`)
  if (totalBytes === 0) throw new TorrentError('the torrent has no bytes')
  return {
    name,
    hashes: hashesOf(info, isV1, isV2),
    pieceBytes,
    files,
    totalBytes,
    pieceCount,
    isFolder: isFolder(info, files, name),
    pieces: isV1 ? piecesOf(info, pieceCount) : undefined,
    isPrivate: info.integer('private') === 1,
    encoded: info.encoded,
  }
}

function pieceBytesOf(info: BencodedDictionary, isV2: boolean): number {
  const bytes = info.integer('piece length')
  const isUsable = bytes !== undefined && bytes > 0 && bytes <= PIECE_BYTES_MAX
  if (!isUsable || (isV2 && (bytes < BLOCK_BYTES || !Number.isInteger(Math.log2(bytes)))))
    throw new TorrentError('no usable "piece length"')
  return bytes
}

/** The tree's files; of a hybrid the list's, which has the pads, with the roots of the tree's. */
function filesOfVersion2(
  tree: unknown,
  pieceBytes: number,
  list: readonly InfoFile[] | undefined,
): readonly InfoFile[] {
  if (!(tree instanceof BencodedDictionary)) throw new TorrentError('"file tree" is no dictionary')
  const files = filesOfTree(tree, pieceBytes)
  if (list === undefined) return files
  if (!areSameFiles(list, files))
    throw new TorrentError('the files of version 1 and of version 2 are not the same')
  const roots = files.filter(({ sizeBytes }) => sizeBytes > 0)
  let next = 0
  return list.map((file) =>
    file.isPad || file.sizeBytes === 0 ? file : { ...file, root: roots[next++]!.root },
  )
}

function hashesOf(info: BencodedDictionary, isV1: boolean, isV2: boolean): InfoHashes {
  return {
    ...(isV1 && { v1: hash('sha1', info.encoded, 'buffer') }),
    ...(isV2 && { v2: hash('sha256', info.encoded, 'buffer') }),
  }
}

/** A torrent of one file that bears the torrent's own name stands for that file alone. */
function isFolder(info: BencodedDictionary, files: readonly InfoFile[], name: string): boolean {
  if (info.get('files') !== undefined) return true
  const [first] = files
  return files.length > 1 || first!.path.length > 1 || first!.path[0] !== name
}

function piecesOf(info: BencodedDictionary, pieceCount: number): Uint8Array {
  const pieces = info.bytes('pieces')
  if (pieces === undefined) throw new TorrentError('no "pieces"')
  if (pieces.length !== pieceCount * SHA1_BYTES)
    throw new TorrentError(
      `"pieces" has ${pieces.length} bytes and should have ${pieceCount * SHA1_BYTES}`,
    )
  return pieces
}

/** The layers of files that are longer than a piece, each checked against its file's root. */
function pieceLayersOf(torrent: BencodedDictionary, info: Info): ReadonlyMap<string, Uint8Array> {
  const layers = new Map<string, Uint8Array>()
  if (info.hashes.v2 === undefined) return layers
  const wanted = new Map<string, number>()
  for (const { root, sizeBytes } of info.files) {
    if (root !== undefined && sizeBytes > info.pieceBytes)
      wanted.set(root.toString('hex'), Math.ceil(sizeBytes / info.pieceBytes))
  }
  const given = torrent.dictionary('piece layers')
  for (const [key, layer] of given?.entries ?? []) {
    const root = Buffer.from(key, 'latin1').toString('hex')
    if (!(layer instanceof Uint8Array) || layer.length !== (wanted.get(root) ?? NaN) * SHA256_BYTES)
      throw new TorrentError('a piece layer fits no file')
    if (rootOfPieces(layer, info.pieceBytes).toString('hex') !== root)
      throw new TorrentError('a piece layer does not lead to the root of its file')
    layers.set(root, layer)
  }
  return layers
}

/** Tiers in their order (BEP 12); `announce` where there is no list. */
function trackersOf(torrent: BencodedDictionary): readonly (readonly string[])[] {
  const tiers = (torrent.list('announce-list') ?? []).flatMap((tier) => {
    if (!Array.isArray(tier)) return []
    const urls = tier.flatMap((url: unknown) => urlOf(url))
    return urls.length === 0 ? [] : [urls]
  })
  if (tiers.length > 0) return tiers
  const single = urlOf(torrent.get('announce'))
  return single.length === 0 ? [] : [single]
}

function webSeedsOf(torrent: BencodedDictionary): readonly string[] {
  const given = torrent.get('url-list')
  const urls = Array.isArray(given) ? given.flatMap((url: unknown) => urlOf(url)) : urlOf(given)
  return [...new Set(urls)].filter((url) => /^https?:/i.test(url))
}

/** Empty where it is none. */
function urlOf(value: unknown): string[] {
  if (!(value instanceof Uint8Array)) return []
  const url = Buffer.from(value).toString().trim()
  return URL.canParse(url) ? [url] : []
}
