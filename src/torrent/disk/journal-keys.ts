/**
 * The keys of a torrent's place. They are its journal: a chunk's key says which pieces it holds, so that
 * bytes and the word of them are one atomic write, and resuming is listing.
 *
 *     <prefix>.torrent/<id>/info                        the info dictionary
 *     <prefix>.torrent/<id>/chunk/<seq>-<pieces>        a chunk of verified pieces
 *     <prefix>.torrent/<id>/chunk/<seq>~<pieces>        these pieces are not had any more
 *     <prefix>.torrent/<id>/checkpoint/<seq>            the journal up to seq, in one object
 *     <prefix>.torrent/<id>/scratch/<piece>-<seq>-<ranges>  bytes of an unfinished piece
 *
 * Later entries (by seq) override earlier ones. `<pieces>` and `<ranges>` are varints in base64url.
 */
import { KEY_BYTES_MAX } from '../../api/limits.ts'
import { DiskError, type DiskTorrent } from '../disk-io.ts'
import { decodeRanges, encodeRanges } from './varints.ts'

/** Digits of a seq in base 36: 2.8e12 entries. */
const SEQ_DIGITS = 8
/** Room for ranges in a key, in characters: less, and chunks would be tiny. */
const RANGES_MIN = 120
/** More would make listings long. */
const RANGES_MAX = 720

export interface JournalEntry {
  readonly seq: number
  /** False: these pieces are lost, or were cleared. */
  readonly isChunk: boolean
  /** As it stands in the key. */
  readonly ranges: Uint8Array
}

export interface ScratchName {
  readonly piece: number
  readonly seq: number
  /** Bytes of the piece, one range after the other in the object. */
  readonly edges: readonly number[]
}

export class JournalKeys {
  readonly base: string
  /** Bytes of encoded ranges that fit into a key. */
  readonly rangeBytesMax: number

  /** DiskError where the prefix leaves no room for keys. */
  constructor({ id, place }: Pick<DiskTorrent, 'id' | 'place'>) {
    this.base = baseOf({ id, place })
    // The longest: scratch/, a piece of 7 digits, two hyphens.
    const fixed = Buffer.byteLength(this.base) + 'scratch/'.length + 7 + SEQ_DIGITS + 2
    const room = Math.min(RANGES_MAX, KEY_BYTES_MAX - fixed)
    if (room < RANGES_MIN)
      throw new DiskError(`the prefix ${place.prefix} is too long for a torrent: shorten it`)
    this.rangeBytesMax = Math.floor((room * 3) / 4)
  }

  get info(): string {
    return `${this.base}info`
  }

  get chunks(): string {
    return `${this.base}chunk/`
  }

  get checkpoints(): string {
    return `${this.base}checkpoint/`
  }

  get scratches(): string {
    return `${this.base}scratch/`
  }

  entry({ seq, isChunk, ranges }: JournalEntry): string {
    return `${this.chunks}${seqText(seq)}${isChunk ? '-' : '~'}${base64(ranges)}`
  }

  checkpoint(seq: number): string {
    return this.checkpoints + seqText(seq)
  }

  /** Behind all entries up to `seq`, before all others: where a listing goes on. */
  afterEntry(seq: number): string {
    return `${this.chunks}${seqText(seq)}\u007f`
  }

  scratch({ piece, seq, edges }: ScratchName): string {
    return `${this.scratches}${piece.toString(36)}-${seqText(seq)}-${base64(encodeRanges(edges))}`
  }

  /** Undefined for a key that is none of ours. */
  readEntry(key: string): JournalEntry | undefined {
    const match = /^([0-9a-z]{8})([-~])([\w-]*)$/.exec(key.slice(this.chunks.length))
    if (match === null) return undefined
    return {
      seq: Number.parseInt(match[1]!, 36),
      isChunk: match[2] === '-',
      ranges: Buffer.from(match[3]!, 'base64url'),
    }
  }

  readCheckpoint(key: string): number | undefined {
    const text = key.slice(this.checkpoints.length)
    return /^[0-9a-z]{8}$/.test(text) ? Number.parseInt(text, 36) : undefined
  }

  readScratch(key: string): ScratchName | undefined {
    const match = /^([0-9a-z]+)-([0-9a-z]{8})-([\w-]+)$/.exec(key.slice(this.scratches.length))
    if (match === null) return undefined
    const [piece, seq] = [Number.parseInt(match[1]!, 36), Number.parseInt(match[2]!, 36)]
    try {
      return { piece, seq, edges: decodeRanges(Buffer.from(match[3]!, 'base64url')) }
    } catch {
      return undefined
    }
  }
}

/** Everything of a torrent stands below it, but the objects that are made of it. */
export function baseOf({ id, place }: Pick<DiskTorrent, 'id' | 'place'>): string {
  return `${torrentsOf(place.prefix)}${id}/`
}

/** Where the places of all torrents of a prefix are. */
export function torrentsOf(prefix: string): string {
  return `${prefix}.torrent/`
}

function seqText(seq: number): string {
  return seq.toString(36).padStart(SEQ_DIGITS, '0')
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
