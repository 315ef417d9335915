import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDER = join(ROOT, '.results')

/** What the tests of a file came to, under each of its outermost headings. */
export interface Result {
  /** From the repository's root. */
  readonly file: string
  /** Empty for tests that stand under none. */
  readonly suite: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Day of the run. */
  readonly date: string
}

/** Results of runs so far: of `npm test`, `npm run test:engines`, `npm run e2e`. */
export function readResults(name: 'unit' | 'engines' | 'e2e'): readonly Result[] {
  try {
    return JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as Result[]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Keeps in `.results/<name>.json` what came of each file and heading when it was last run. */
export default class Results implements Reporter {
  readonly #name: 'unit' | 'engines' | 'e2e'
  #isPartial = false

  constructor({ name }: { readonly name: 'unit' | 'engines' | 'e2e' }) {
    this.#name = name
  }

  /** A run of some tests of a file says nothing of the file. */
  onInit({ config }: Vitest): void {
    this.#isPartial = config.testNamePattern !== undefined
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    if (this.#isPartial) return
    const date = new Date().toISOString().slice(0, 10)
    const fresh = modules.flatMap((module) => resultsOf(module, date))
    // End to end a run is of some engines. Elsewhere it is all of a file, whose other headings are gone.
    const keyOf = ({ file, suite }: Result): string =>
      this.#name === 'e2e' ? `${file} ${suite}` : file
    const keys = new Set(fresh.map(keyOf))
    const kept = readResults(this.#name).filter((result) => !keys.has(keyOf(result)))
    const all = [...kept, ...fresh].toSorted((a, b) =>
      `${a.file} ${a.suite}`.localeCompare(`${b.file} ${b.suite}`, 'en'),
    )
    mkdirSync(FOLDER, { recursive: true })
    writeFileSync(join(FOLDER, `${this.#name}.json`), `${JSON.stringify(all, null, 2)}\n`)
  }
}

function resultsOf(module: TestModule, date: string): Result[] {
  const file = relative(ROOT, module.moduleId)
  const suites = new Map<string, { passed: number; failed: number; skipped: number }>()
  const countsOf = (suite: string): { passed: number; failed: number; skipped: number } => {
    const counts = suites.get(suite) ?? { passed: 0, failed: 0, skipped: 0 }
    suites.set(suite, counts)
    return counts
  }
  for (const test of module.children.allTests()) {
    const { state } = test.result()
    countsOf(outermost(test))[state === 'passed' || state === 'failed' ? state : 'skipped'] += 1
  }
  // A file that could not be loaded has no tests to fail, and fails all the same.
  if (module.state() === 'failed' && suites.size === 0) countsOf('').failed = 1
  return [...suites].map(([suite, counts]) => ({ file, suite, ...counts, date }))
}

function outermost(test: TestCase): string {
  let name = ''
  let at: TestCase['parent'] = test.parent
  while (at.type === 'suite') {
    name = at.name
    at = at.parent
  }
  return name
}
