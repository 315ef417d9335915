/**
 * Which headers a signature covers, and what they say in canonical form. Everything that S3 gives a
 * meaning to (`x-amz-*`) and the host have to be among them: an unsigned header that is honoured is
 * a hole through which a stranger changes a signed request.
 */

/** What the signed headers of one request say. */
export interface HeaderReading {
  /** Canonical value of each name of the list; undefined where the request lacks it. */
  readonly values: readonly (string | undefined)[]
  /** Names of headers that should have been signed. */
  readonly unsigned: readonly string[]
  /** How many Authorization headers there are. */
  readonly authorizations: number
}

/** Names in one list; a request's headers are limited to some KiB, and hold no more. */
export const SIGNED_HEADERS_MAX = 256

const NONE: readonly string[] = []
/** `x-amzn-trace-id` and the like are the network's, and not meant. */
const MEANINGFUL = 'x-amz-'

/** Where a header belongs that is not in the list. */
const IGNORED = -1
const AUTHORIZATION = -2
const UNSIGNED = -3

/** A `SignedHeaders` list; made once for each that clients send, and used for many requests. */
export class HeaderList {
  /** As sent: `host;x-amz-date`. */
  readonly text: string
  /** Each name as it begins a line of the canonical headers: `\nhost:`. */
  readonly labels: readonly string[]
  /** Places of what authentication itself reads; -1 where it is not signed. */
  readonly date: number
  readonly payloadHash: number
  readonly #places: ReadonlyMap<string, number>
  readonly #blank: readonly undefined[]
  readonly #lacksHost: boolean
  /**
   * What stood where in the last request, and its place: a client sends its headers in one order, so
   * most names are recognised without being lower-cased and hashed (a fifth of the time of a verification).
   */
  readonly #lastNames: string[] = []
  readonly #lastPlaces: number[] = []

  constructor(text: string, names: readonly string[]) {
    this.text = text
    this.labels = names.map((name) => `\n${name}:`)
    this.date = names.indexOf('x-amz-date')
    this.payloadHash = names.indexOf('x-amz-content-sha256')
    this.#places = new Map(names.map((name, place) => [name, place]))
    this.#blank = names.map(() => undefined)
    this.#lacksHost = !names.includes('host')
  }

  /** Reads the headers once. Duplicates are joined by a comma; `exempt` (a name) may go unsigned. */
  read(rawHeaders: readonly string[], exempt: string): HeaderReading {
    const values: (string | undefined)[] = this.#blank.slice()
    let unsigned: string[] | undefined
    if (this.#lacksHost) unsigned = ['host']
    let authorizations = 0
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      const name = rawHeaders[at]!
      const place =
        this.#lastNames[at >> 1] === name ? this.#lastPlaces[at >> 1]! : this.#place(name, at >> 1)
      if (place >= 0) {
        const value = canonicalValue(rawHeaders[at + 1]!)
        const before = values[place]
        values[place] = before === undefined ? value : `${before},${value}`
      } else if (place === AUTHORIZATION) {
        authorizations++
      } else if (place === UNSIGNED) {
        const lower = name.toLowerCase()
        if (lower === exempt) continue
        if (unsigned === undefined) unsigned = [lower]
        else if (!unsigned.includes(lower)) unsigned.push(lower)
      }
    }
    return { values, unsigned: unsigned ?? NONE, authorizations }
  }

  #place(name: string, position: number): number {
    const lower = name.toLowerCase()
    let place = this.#places.get(lower)
    if (place === undefined) {
      if (lower === 'authorization') place = AUTHORIZATION
      else place = lower.startsWith(MEANINGFUL) ? UNSIGNED : IGNORED
    }
    if (position <= this.#lastNames.length && position < SIGNED_HEADERS_MAX) {
      this.#lastNames[position] = name
      this.#lastPlaces[position] = place
    }
    return place
  }
}

/** Undefined where the text is no list: an empty name, one given twice, or too many of them. */
export function parseHeaderList(text: string): HeaderList | undefined {
  const names = text.split(';')
  if (names.length > SIGNED_HEADERS_MAX || names.includes('')) return undefined
  return new Set(names).size === names.length ? new HeaderList(text, names) : undefined
}

/** Blanks around are dropped, runs of them within become one. */
export function canonicalValue(value: string): string {
  if (value.includes('  ') || value.includes('\t')) value = value.replace(/[ \t]+/g, ' ')
  const first = value.charCodeAt(0)
  const last = value.charCodeAt(value.length - 1)
  // Not trim(), which takes 0xA0 for a blank: in UTF-8 it is the end of an "à".
  return first === 0x20 || last === 0x20 ? value.replace(/^ | $/g, '') : value
}
