/**
 * Text as it stands inside elements and attributes of XML.
 *
 * Control characters (XML 1.0 has no way to write most of them) go out as references, as from S3:
 * clients that care ask for encoding-type=url.
 */

// oxlint-disable-next-line no-control-regex
const EACH_SPECIAL = /[&<>"\0-\x08\x0b-\x1f\x7f\ufffe\uffff]/g
const QUOTE = 0x22
/** The first of the two code units above ASCII that are written as references. */
const NOT_A_CHARACTER = 0xfffe

/** 1: the ASCII character is written as a reference. */
const IS_SPECIAL = Uint8Array.from({ length: 0x80 }, (_, code) =>
  String.fromCharCode(code).search(EACH_SPECIAL) < 0 ? 0 : 1,
)

const NAMED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
}

function reference(character: string): string {
  return NAMED[character] ?? `&#x${character.charCodeAt(0).toString(16)};`
}

/** Where the first character stands, from `start` on, that is written as a reference; the length: there is none. */
function clearUntil(text: string, start: number): number {
  let i = start
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x80 ? IS_SPECIAL[code] !== 0 : code >= NOT_A_CHARACTER) break
  }
  return i
}

/**
 * Text inside an element or an attribute. A page of a listing asks thousands of times, mostly for what
 * has nothing to escape, or for an ETag, which has just the quotes around it.
 */
export function escapeXml(text: string): string {
  const { length } = text
  let clear = clearUntil(text, 0)
  if (clear === length) return text
  if (clear === 0 && length > 1 && text.charCodeAt(0) === QUOTE) {
    clear = clearUntil(text, 1)
    if (clear === length - 1 && text.charCodeAt(clear) === QUOTE)
      return `&quot;${text.slice(1, -1)}&quot;`
  }
  return text.replace(EACH_SPECIAL, reference)
}
