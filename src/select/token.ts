/** The words of a query (S3 Select's SQL): text to tokens. */
import { SelectError } from './select-error.ts'

export type Token =
  /** A name or a keyword; `word` in upper case. */
  | { readonly kind: 'word'; readonly text: string; readonly word: string; readonly at: number }
  /** `"Name"`: never a keyword, and meant letter by letter. */
  | { readonly kind: 'quoted'; readonly text: string; readonly at: number }
  | { readonly kind: 'string'; readonly text: string; readonly at: number }
  | { readonly kind: 'number'; readonly value: number; readonly at: number }
  /** A sign or an operator; `` (no text) is the end. */
  | { readonly kind: 'sign'; readonly text: string; readonly at: number }

const SPACE = /(?:\s+|--[^\n]*|\/\*[^]*?\*\/)*/y
const WORD = /[A-Za-z_$][\w$]*/y
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y
const SIGN = /<=|>=|<>|!=|\|\||[-+*/%=<>(),.[\];]/y

export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = []
  let at = skip(text, 0)
  while (at < text.length) {
    const [token, end] = tokenAt(text, at)
    tokens.push(token)
    at = skip(text, end)
  }
  tokens.push({ kind: 'sign', text: '', at })
  return tokens
}

function skip(text: string, at: number): number {
  return at + (match(SPACE, text, at)?.length ?? 0)
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

function tokenAt(text: string, at: number): readonly [Token, end: number] {
  const first = text[at]!
  if (first === "'" || first === '"') {
    const [content, end] = quotedAt(text, at, first)
    return [{ kind: first === "'" ? 'string' : 'quoted', text: content, at }, end]
  }
  const word = match(WORD, text, at)
  if (word !== undefined) {
    return [{ kind: 'word', text: word, word: word.toUpperCase(), at }, at + word.length]
  }
  const number = match(NUMBER, text, at)
  if (number !== undefined) {
    return [{ kind: 'number', value: Number(number), at }, at + number.length]
  }
  const sign = match(SIGN, text, at)
  if (sign !== undefined) return [{ kind: 'sign', text: sign, at }, at + sign.length]
  throw new SelectError('LexerInvalidChar', `At position ${at + 1}: ${first}`)
}

/** The content of a quoted text, in which the quote stands twice for itself. */
function quotedAt(text: string, at: number, quote: string): readonly [string, end: number] {
  let content = ''
  for (let from = at + 1; ;) {
    const end = text.indexOf(quote, from)
    if (end < 0) throw new SelectError('LexerInvalidLiteral', `At position ${at + 1}.`)
    content += text.slice(from, end)
    if (text[end + 1] !== quote) return [content, end + 1]
    content += quote
    from = end + 2
  }
}
