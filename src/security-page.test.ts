/** docs/security.md names tests; each of them is there. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../', import.meta.url))

const lines = readFileSync(`${ROOT}docs/security.md`, 'utf8')
  .split('\n')
  .flatMap((line) => {
    const found = /^\| (.+?) +\| `(src\/[^`]+)`: (.+?) +\|$/.exec(line)
    return found === null ? [] : [[found[1]!, found[2]!, found[3]!.replaceAll('\\', '')] as const]
  })

test('there are lines', () => {
  expect(lines.length).toBeGreaterThan(30)
})

test.each(lines)('%s: %s has the test “%s”', (_class, file, words) => {
  expect(existsSync(ROOT + file)).toBe(true)
  expect(readFileSync(ROOT + file, 'utf8')).toContain(words)
})
