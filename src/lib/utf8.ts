/**
 * Text in the order of its UTF-8 bytes, without encoding it. That order is the order of code points;
 * JavaScript's own `<` compares UTF-16 units and puts astral characters (surrogates, U+D800 to
 * U+DFFF) before U+E000 to U+FFFF.
 *
 * All functions take well-formed text (`String.prototype.isWellFormed`); a lone surrogate counts as
 * the three bytes of its code point, which is no valid UTF-8.
 */

/** Negative, 0 or positive as `a` sorts before, with, or behind `b` by their UTF-8 bytes. */
export function compareUtf8(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

/**
 * UTF-16 units in the order of the code points that they begin: surrogates last. Where two
 * well-formed texts differ in a low surrogate only, the high ones before it are equal, so that
 * the order of the low ones decides.
 */
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/**
 * The least text above every text that begins with `prefix`: the end of a range over a prefix, and
 * the place to go on behind a group. None where there is no such text: for the empty prefix, and
 * for U+10FFFF alone.
 */
export function afterPrefix(prefix: string): string | undefined {
  let end = prefix.length
  while (end > 0) {
    const last = lastCodePoint(prefix, end)
    const start = end - (last > 0xffff ? 2 : 1)
    if (last !== 0x10ffff) {
      const next = last === 0xd7ff ? 0xe000 : last + 1
      return prefix.slice(0, start) + String.fromCodePoint(next)
    }
    end = start
  }
  return undefined
}

function lastCodePoint(text: string, end: number): number {
  const unit = text.charCodeAt(end - 1)
  const isLow = unit >= 0xdc00 && unit < 0xe000
  return isLow && end > 1 ? text.codePointAt(end - 2)! : unit
}

/** Bytes of the text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) bytes += 1
    // A pair is two units and four bytes: one more for each half.
    else bytes += unit >= 0xd800 && unit < 0xe000 ? 1 : 2
  }
  return bytes
}
