/**
 * The table of the README that says which engine passed what: made of the results that real runs have
 * left in `.results`.
 *
 *   npm run matrix               writes it
 *   npm run matrix -- --check    looks whether it is well-formed, and whether each engine has its row
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { jsonSchema } from '../src/config-schema.ts'
import { readResults, type Result } from '../tools/results.ts'
import { isFileOf, TESTED_ENGINES } from './engines/list.ts'

type Kind = 'metadata' | 'storage'

const README = fileURLToPath(new URL('../README.md', import.meta.url))
const BEGIN = '<!-- matrix: written by `npm run matrix` -->'
const END = '<!-- /matrix -->'
const HEAD = ['', 'engine', 'contract', 'against a service', 'end to end, with']
const NOTHING = '–'
const CELL = /^(–|\d+( failed)?|[\w .-]+: \d+( failed)?(; [\w .-]+: \d+( failed)?)*)$/

/** Of an end-to-end run: `boto3: sqlite + fs over http`. */
const PAIR = /(?:^|: )([a-z0-9]+) \+ ([a-z0-9]+) over https?$/

/** The engines that a configuration may name. */
function engines(kind: Kind): readonly string[] {
  const at = jsonSchema() as {
    properties: Record<Kind, { properties: { engine: { enum: readonly string[] } } }>
  }
  return at.properties[kind].properties.engine.enum
}

/** How many passed; how many failed, where any did. */
function told(results: readonly Result[]): string {
  const sum = (key: 'passed' | 'failed'): number =>
    results.reduce((count, result) => count + result[key], 0)
  if (results.length === 0) return NOTHING
  return sum('failed') > 0 ? `${sum('failed')} failed` : String(sum('passed'))
}

function contractOf(kind: Kind, engine: string): string {
  const name = new RegExp(`^${kind}/${engine}(-[a-z]+)?\\.test\\.ts$`)
  return told(readResults('unit').filter(({ file }) => name.test(file)))
}

function serviceOf(kind: Kind, engine: string): string {
  const tested = TESTED_ENGINES.find((each) => each.kind === kind && each.engine === engine)
  if (tested === undefined) return NOTHING
  const results = readResults('engines').filter(({ file }) => isFileOf(engine, file))
  return results.length === 0 ? NOTHING : `${tested.against}: ${told(results)}`
}

function pairsOf(kind: Kind, engine: string): string {
  const others = new Map<string, Result[]>()
  for (const result of readResults('e2e')) {
    const [, metadata = '', storage = ''] = PAIR.exec(result.suite) ?? []
    const [own, other] = kind === 'metadata' ? [metadata, storage] : [storage, metadata]
    if (own === engine) others.set(other, [...(others.get(other) ?? []), result])
  }
  const cells = [...others].map(([other, results]) => `${other}: ${told(results)}`)
  return cells.join('; ') || NOTHING
}

function table(): string {
  const rows = (['metadata', 'storage'] as const).flatMap((kind) =>
    engines(kind).map((engine, at) => {
      const cells = [contractOf(kind, engine), serviceOf(kind, engine), pairsOf(kind, engine)]
      return [at === 0 ? kind : '', `\`${engine}\``, ...cells]
    }),
  )
  const widths = HEAD.map((_, column) =>
    Math.max(3, ...[HEAD, ...rows].map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(HEAD), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** What is between the markers. */
function parted(text: string): readonly [before: string, between: string, after: string] {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`README.md: ${BEGIN} and ${END} are not both there`)
  const from = begin + BEGIN.length
  return [text.slice(0, from), text.slice(from, end), text.slice(end)]
}

function problems(between: string): readonly string[] {
  const rows = between
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
  const found: string[] = []
  let kind = ''
  const seen = new Set<string>()
  for (const [, first = '', engine = '', ...cells] of rows.slice(2)) {
    kind = first || kind
    seen.add(`${kind} ${engine.replaceAll('`', '')}`)
    for (const cell of cells.slice(0, 3))
      if (!CELL.test(cell)) found.push(`README.md: ${kind} ${engine}: "${cell}" is no result`)
      else if (cell.includes('failed')) found.push(`README.md: ${kind} ${engine}: ${cell}`)
  }
  for (const each of ['metadata', 'storage'] as const)
    for (const engine of engines(each))
      if (!seen.has(`${each} ${engine}`)) found.push(`README.md: ${each} ${engine} has no row`)
  return found
}

const { values } = parseArgs({ options: { check: { type: 'boolean' } } })
const [before, between, after] = parted(readFileSync(README, 'utf8'))
if (values.check) {
  const found = problems(between)
  for (const problem of found) console.error(problem)
  process.exitCode = found.length > 0 ? 1 : 0
} else writeFileSync(README, `${before}\n\n${table()}\n\n${after}`)
