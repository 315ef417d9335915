/** Queries and data changed at random: either results or one of the query's own errors, however the bytes come. */
import { expect, test } from 'vitest'
import { fuzz, type Target } from '../fuzz/fuzz.ts'
import { decoded, type InputFormat } from './input.ts'
import { parseQuery } from './parse.ts'
import { run } from './run.ts'
import { SelectError } from './select-error.ts'

const CSV: InputFormat = {
  kind: 'csv',
  headers: 'USE',
  comments: '#',
  quote: '"',
  escape: '"',
  recordDelimiter: '\n',
  fieldDelimiter: ',',
  quotedDelimiters: true,
}

async function* from(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces
}

async function outcome(
  sql: string,
  input: InputFormat,
  pieces: readonly Uint8Array[],
): Promise<string> {
  try {
    const query = parseQuery(sql)
    const output = { kind: 'json', recordDelimiter: '\n' } as const
    const text = decoded(from(pieces))
    let all = 'ok '
    for await (const piece of run({ query, input, output, text, header: undefined, now: 0 }))
      all += piece
    return all
  } catch (error) {
    if (error instanceof SelectError) return error.code
    throw error
  }
}

const SELECT: Target = {
  name: 'select',
  words: [
    'SELECT ',
    ' FROM S3Object',
    ' WHERE ',
    '[*]',
    '.*',
    's.',
    "'",
    '"',
    '||',
    'CAST(',
    ' AS INT)',
    'NULL',
    ' LIKE ',
    'CASE WHEN ',
    ' END',
    '\r\n',
    '{',
    '}',
    '\\',
    '\u{1f600}',
  ],
  async check(input, random) {
    const first = input.indexOf('\n')
    const second = input.indexOf('\n', first + 1)
    const kind = input.toString('latin1', first + 1, second)
    const format: InputFormat =
      kind === 'json'
        ? { kind: 'json', type: 'DOCUMENT' }
        : kind === 'lines'
          ? { kind: 'json', type: 'LINES' }
          : CSV
    const sql = input.toString('utf8', 0, Math.max(first, 0))
    const data = input.subarray(second + 1)
    const whole = await outcome(sql, format, [data])
    const cut = await outcome(sql, format, random.cut(data))
    if (whole.startsWith('ok') && whole !== cut) throw new Error('it depends on how the bytes come')
    return whole.split(' ')[0]!
  },
}

test('the SQL of S3 Select, and what it is asked of', async () => {
  const { runs, outcomes } = await fuzz(SELECT)
  expect(runs).toBeGreaterThan(100)
  expect(outcomes.get('ok')).toBeGreaterThan(0)
})
