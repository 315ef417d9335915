/**
 * The documentation page: one HTML file beside this one, which shows `openapi.json`. It needs nothing
 * from elsewhere, and its policy lets it load nothing but that document.
 */
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'

export const DOCS_PAGE: string = readFileSync(new URL('./docs.html', import.meta.url), 'utf8')

/** Source expression for the one inline element of this name: by its hash, so that no other runs. */
function inline(tag: 'script' | 'style'): string {
  const start = DOCS_PAGE.indexOf(`<${tag}>`) + tag.length + 2
  const text = DOCS_PAGE.slice(start, DOCS_PAGE.indexOf(`</${tag}>`))
  return `'sha256-${hash('sha256', text, 'base64')}'`
}

export const DOCS_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    `script-src ${inline('script')}`,
    `style-src ${inline('style')}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}
