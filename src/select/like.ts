/** LIKE: `%` for any characters, `_` for one, and an escape before those that mean themselves. */
import { SelectError } from './select-error.ts'
import { charactersOf } from './value.ts'

/** Made once for a pattern; takes time in proportion to text and pattern, whatever they are. */
export function likeTest(pattern: string, escape: string): (text: string) => boolean {
  const marks = charactersOf(escape)
  if (marks.length > 1) throw new SelectError('LikeInvalidInputs', 'ESCAPE takes one character.')
  const { pieces, isWild } = piecesOf(charactersOf(pattern), marks[0])
  return (text) => matches(charactersOf(text), pieces, isWild)
}

function piecesOf(
  characters: readonly string[],
  escape: string | undefined,
): { readonly pieces: readonly string[]; readonly isWild: readonly boolean[] } {
  const pieces: string[] = []
  const isWild: boolean[] = []
  for (let at = 0; at < characters.length; at++) {
    let character = characters[at]!
    const isEscaped = character === escape
    if (isEscaped) {
      const next = characters[++at]
      if (next === undefined) {
        throw new SelectError('LikeInvalidInputs', 'The pattern ends with its escape character.')
      }
      character = next
    }
    pieces.push(character)
    isWild.push(!isEscaped && (character === '%' || character === '_'))
  }
  return { pieces, isWild }
}

/** Goes back to the last `%` alone where something does not fit. */
function matches(
  text: readonly string[],
  pieces: readonly string[],
  isWild: readonly boolean[],
): boolean {
  let at = 0
  let piece = 0
  let star = -1
  let resume = 0
  while (at < text.length) {
    const isStar = isWild[piece] === true && pieces[piece] === '%'
    if (isStar) {
      star = piece++
      resume = at
    } else if (piece < pieces.length && (isWild[piece] || pieces[piece] === text[at])) {
      piece++
      at++
    } else if (star >= 0) {
      piece = star + 1
      at = ++resume
    } else return false
  }
  while (isWild[piece] === true && pieces[piece] === '%') piece++
  return piece === pieces.length
}
