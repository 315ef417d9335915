/** What a run of s3-tests came to: its JUnit file, by groups, against the list of what passed before. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export type Outcome = 'passed' | 'failed' | 'skipped'

const LIST = fileURLToPath(new URL('passing.txt', import.meta.url))

/** Outcome of each test, by its function's name; of a parametrised one the worst. */
export function readResults(junitFile: string): ReadonlyMap<string, Outcome> {
  const xml = readFileSync(junitFile, 'utf8')
  const results = new Map<string, Outcome>()
  for (const [, attributes = '', content] of xml.matchAll(
    /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )) {
    const name = / name="([^"[]*)/.exec(attributes)?.[1] ?? ''
    const outcome = /<(?:failure|error)\b/.test(content ?? '')
      ? 'failed'
      : /<skipped\b/.test(content ?? '')
        ? 'skipped'
        : 'passed'
    const before = results.get(name)
    if (before === undefined || before === 'passed' || outcome === 'failed')
      results.set(name, outcome)
  }
  return results
}

/** The first that matches a test's name is its group. */
const GROUPS: readonly (readonly [group: string, name: RegExp])[] = [
  ['SigV2 headers', /_aws2$/],
  ['bad headers', /^test_(bucket|object)_create_bad_|^test_(object|bucket)_create_date_and/],
  ['bucket logging', /bucket_logging|logging_/],
  ['object lock', /object_lock/],
  ['lifecycle', /lifecycle/],
  ['encryption', /encrypt|_enc_|sse_c|sse_kms|sse_s3/],
  ['POST object', /^test_post_object/],
  ['public access block', /public_block|block_public|ignore_public|policy_status/],
  ['ownership controls', /object_ownership|ownership|bucket_owner_enforced/],
  ['bucket policy', /policy/],
  ['CORS', /cors/],
  ['tagging', /tag/],
  ['checksums and attributes', /checksum|attributes$/],
  [
    'conditional',
    /_if_?(match|none|modified|unmodified)|ifmatch|ifnonmatch|ifmodified|conditional/,
  ],
  ['versioning', /version/],
  ['multipart', /multipart|upload_part/],
  ['copy', /copy/],
  ['ACLs', /acl|access_bucket|grant/],
  ['raw and presigned', /_raw_|presigned|anon_put|put_authenticated/],
  ['listings', /_list|listv2|notexist|basic_key_count/],
  ['buckets', /bucket/],
  ['objects', /./],
]

export function groupOf(name: string): string {
  return GROUPS.find(([, pattern]) => pattern.test(name))![0]
}

/** A line for each group, and one for all. */
export function figures(results: ReadonlyMap<string, Outcome>): string {
  const counts = new Map<string, Record<Outcome, number>>()
  for (const [name, outcome] of results) {
    for (const group of [groupOf(name), 'all']) {
      const count = counts.get(group) ?? { passed: 0, failed: 0, skipped: 0 }
      count[outcome]++
      counts.set(group, count)
    }
  }
  return [...GROUPS.map(([group]) => group), 'all']
    .flatMap((group) => {
      const count = counts.get(group)
      if (count === undefined) return []
      const cells = [count.passed, count.failed, count.skipped].map((n) => String(n).padStart(8))
      return [`${group.padEnd(26)}${cells.join('')}`]
    })
    .join('\n')
}

/** Tests that have passed before: none may fail again, and none is ever taken out. */
export function knownPassing(): ReadonlySet<string> {
  return new Set(readFileSync(LIST, 'utf8').split('\n').filter(Boolean))
}

export function writePassing(names: Iterable<string>): void {
  writeFileSync(LIST, `${[...names].sort().join('\n')}\n`)
}
