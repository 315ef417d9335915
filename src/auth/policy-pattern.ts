/**
 * Texts of policies with wildcards and variables: `arn:aws:s3:::b/home/${aws:username}/*`. Compiled
 * once; matching is linear in the text but for `?` behind a `*`, and never goes back over a `*`.
 *
 * What a variable stands for is taken as it is: a star in a user's name is no wildcard. A variable that
 * the request has no value for, or several, matches nothing (IAM, "Policy variables").
 */

/** What a request says under a key of IAM's (`aws:username`); undefined where it says nothing. */
export interface Context {
  get(key: string): string | readonly string[] | undefined
}

type Token =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  | { readonly kind: 'variable'; readonly key: string; readonly preset: string | undefined }

/** A run of characters between two stars; `holes` where it has question marks. */
interface Piece {
  readonly text: string
  readonly holes: readonly number[]
}

export class PatternError extends Error {
  override readonly name: string = 'PatternError'
}

export interface PatternOptions {
  /** `*` stands for any text, `?` for any character. */
  readonly wild: boolean
  /**
   * `${key}` and `${key, 'default'}` stand for what the request says; `${*}`, `${?}` and `${$}` for the
   * characters themselves. (Policies have them from version 2012-10-17 on.)
   */
  readonly variables: boolean
  readonly ignoreCase?: boolean
}

export class Pattern {
  readonly hasVariables: boolean
  readonly #ignoreCase: boolean
  readonly #tokens: readonly Token[]
  /** Between the stars; only without variables. */
  readonly #pieces: readonly Piece[]

  constructor(tokens: readonly Token[], ignoreCase: boolean) {
    this.#ignoreCase = ignoreCase
    this.#tokens = tokens
    this.hasVariables = tokens.some(({ kind }) => kind === 'variable')
    this.#pieces = this.hasVariables ? [] : piecesOf(tokens)
  }

  matches(text: string, context: Context): boolean {
    const subject = this.#ignoreCase ? text.toLowerCase() : text
    if (!this.hasVariables) return matchPieces(this.#pieces, subject)
    const tokens = resolve(this.#tokens, context, this.#ignoreCase)
    return tokens !== undefined && matchPieces(piecesOf(tokens), subject)
  }
}

const VARIABLE = /^([A-Za-z0-9:/_.@=+-]+)(?:\s*,\s*'([^']*)')?$/

/** @throws PatternError where a variable is none */
export function parsePattern(
  source: string,
  { wild, variables, ignoreCase = false }: PatternOptions,
): Pattern {
  const tokens: Token[] = []
  let text = ''
  const flush = (): void => {
    if (text !== '') tokens.push({ kind: 'text', text: ignoreCase ? text.toLowerCase() : text })
    text = ''
  }
  for (let at = 0; at < source.length; at++) {
    const character = source[at]!
    if (wild && (character === '*' || character === '?')) {
      flush()
      tokens.push({ kind: character === '*' ? 'any' : 'one' })
    } else if (variables && character === '$' && source[at + 1] === '{') {
      const end = source.indexOf('}', at)
      if (end === -1) throw new PatternError(`${source} has a variable without an end`)
      const inner = source.slice(at + 2, end)
      at = end
      if (inner === '*' || inner === '?' || inner === '$') {
        text += inner
        continue
      }
      const match = VARIABLE.exec(inner)
      if (match === null) throw new PatternError(`\${${inner}} is no variable`)
      flush()
      tokens.push({ kind: 'variable', key: contextKey(match[1]!), preset: match[2] })
    } else {
      text += character
    }
  }
  flush()
  return new Pattern(tokens, ignoreCase)
}

/** Keys of IAM's are the same in any case; what follows a slash is the name of a tag, and is not. */
export function contextKey(key: string): string {
  const slash = key.indexOf('/')
  return slash === -1 ? key.toLowerCase() : key.slice(0, slash).toLowerCase() + key.slice(slash)
}

function resolve(
  tokens: readonly Token[],
  context: Context,
  ignoreCase: boolean,
): readonly Token[] | undefined {
  const resolved: Token[] = []
  for (const token of tokens) {
    if (token.kind !== 'variable') {
      resolved.push(token)
      continue
    }
    const value = context.get(token.key) ?? token.preset
    if (typeof value !== 'string') return undefined
    resolved.push({ kind: 'text', text: ignoreCase ? value.toLowerCase() : value })
  }
  return resolved
}

function piecesOf(tokens: readonly Token[]): readonly Piece[] {
  const pieces: Piece[] = []
  let text = ''
  let holes: number[] = []
  for (const token of tokens) {
    if (token.kind === 'any') {
      pieces.push({ text, holes })
      text = ''
      holes = []
    } else if (token.kind === 'one') {
      holes.push(text.length)
      text += '?'
    } else if (token.kind === 'text') {
      text += token.text
    }
  }
  pieces.push({ text, holes })
  return pieces
}

/** The first piece stands at the beginning, the last at the end, the others as far to the left as they can. */
function matchPieces(pieces: readonly Piece[], text: string): boolean {
  const last = pieces.length - 1
  const head = pieces[0]!
  if (last === 0) return head.text.length === text.length && standsAt(head, text, 0)
  const tail = pieces[last]!
  const end = text.length - tail.text.length
  let at = head.text.length
  if (at > end || !standsAt(head, text, 0) || !standsAt(tail, text, end)) return false
  for (let index = 1; index < last; index++) {
    const piece = pieces[index]!
    const found = find(piece, text, at, end)
    if (found === -1) return false
    at = found + piece.text.length
  }
  return true
}

function find(piece: Piece, text: string, from: number, end: number): number {
  const latest = end - piece.text.length
  if (piece.holes.length === 0) {
    const found = text.indexOf(piece.text, from)
    return found <= latest ? found : -1
  }
  for (let at = from; at <= latest; at++) if (standsAt(piece, text, at)) return at
  return -1
}

function standsAt({ text: wanted, holes }: Piece, text: string, at: number): boolean {
  if (holes.length === 0) return text.startsWith(wanted, at)
  for (let index = 0; index < wanted.length; index++) {
    if (!holes.includes(index) && wanted.charCodeAt(index) !== text.charCodeAt(at + index))
      return false
  }
  return true
}
