/** Queries over small texts: what they give, and what is refused. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decoded, type InputFormat } from './input.ts'
import { likeTest } from './like.ts'
import type { OutputFormat } from './output.ts'
import { parseQuery } from './parse.ts'
import { run } from './run.ts'
import { SelectError } from './select-error.ts'

const CSV: Extract<InputFormat, { kind: 'csv' }> = {
  kind: 'csv',
  headers: 'NONE',
  comments: undefined,
  quote: '"',
  escape: '"',
  recordDelimiter: '\n',
  fieldDelimiter: ',',
  quotedDelimiters: false,
}
const NAMED: InputFormat = { ...CSV, headers: 'USE' }
const LINES: InputFormat = { kind: 'json', type: 'LINES' }
const DOCUMENT: InputFormat = { kind: 'json', type: 'DOCUMENT' }
const TO_CSV: OutputFormat = {
  kind: 'csv',
  quote: '"',
  escape: '"',
  fieldDelimiter: ',',
  recordDelimiter: '\n',
  always: false,
}
const TO_JSON: OutputFormat = { kind: 'json', recordDelimiter: '\n' }
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)

async function* chunks(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** All results as one text; the object comes in pieces of 5 bytes. */
async function select(
  sql: string,
  text: string,
  input: InputFormat = CSV,
  output: OutputFormat = TO_CSV,
  size = 5,
): Promise<string> {
  const query = parseQuery(sql)
  const parts = { query, input, output, header: undefined, now: NOW }
  let all = ''
  for await (const piece of run({ ...parts, text: decoded(chunks(text, size)) })) all += piece
  return all
}

async function failure(sql: string, text = 'a\n', input: InputFormat = CSV): Promise<string> {
  try {
    await select(sql, text, input)
  } catch (error) {
    if (error instanceof SelectError) return error.code
    throw error
  }
  return 'none'
}

const PEOPLE = 'name,age,city\nAda,36,London\nBo,7,"Rome, Italy"\nCy,,Paris\n'

describe('columns and rows', () => {
  test.each([
    ['SELECT * FROM S3Object', 'Ada,36,London\nBo,7,"Rome, Italy"\nCy,,Paris\n'],
    ['SELECT s.name FROM S3Object s', 'Ada\nBo\nCy\n'],
    ['select S.NAME from s3object as S where s.age > 10', 'Ada\n'],
    ['SELECT s."name", s._2 FROM S3Object s LIMIT 1', 'Ada,36\n'],
    ["SELECT name, age FROM S3Object WHERE city LIKE '%, It_ly'", 'Bo,7\n'],
    ["SELECT name FROM S3Object WHERE age = ''", 'Cy\n'],
    ["SELECT CAST(age AS INT) + 1 FROM S3Object WHERE age <> ''", '37\n8\n'],
    ["SELECT s.name || '!' FROM S3Object s WHERE s.name IN ('Bo', 'Cy')", 'Bo!\nCy!\n'],
    ["SELECT name FROM S3Object WHERE name BETWEEN 'B' AND 'C'", 'Bo\n'],
    ["SELECT name FROM S3Object WHERE NOT (name = 'Ada' OR name = 'Bo') AND TRUE", 'Cy\n'],
    ['SELECT name FROM S3Object s LIMIT 0', ''],
    ["SELECT COUNT(*), MIN(name), MAX(CAST(NULLIF(age, '') AS INT)) FROM S3Object", '3,Ada,36\n'],
    ["SELECT SUM(CAST(NULLIF(age, '') AS INT)) / COUNT(NULLIF(age, '')) FROM S3Object", '21\n'],
    ["SELECT AVG(CAST(NULLIF(age, '') AS FLOAT)) FROM S3Object WHERE age = ''", '\n'],
    ["SELECT CASE WHEN age > 10 THEN 'old' ELSE 'young' END FROM S3Object", 'old\nyoung\nyoung\n'],
    ["SELECT CASE name WHEN 'Bo' THEN 1 END FROM S3Object", '\n1\n\n'],
  ])('%s', async (sql, expected) => {
    expect(await select(sql, PEOPLE, NAMED)).toBe(expected)
  })

  test('however the bytes are cut, the records are the same', async () => {
    const text = 'é,"a\r\nb"\r\n"x""y",\u{1f600}\r\nlast'
    const format = { ...CSV, quotedDelimiters: true }
    for (let size = 1; size < 12; size++) {
      expect(await select('SELECT * FROM S3Object', text, format, TO_JSON, size)).toBe(
        '{"_1":"é","_2":"a\\r\\nb"}\n{"_1":"x\\"y","_2":"\u{1f600}"}\n{"_1":"last"}\n',
      )
    }
  })
})

describe('values', () => {
  test.each([
    ['1 + 2 * 3 - 4 / 2', '5'],
    ['7 / 2, 7.0 / 2, 7 % 4, -(3)', '3,3,3,-3'],
    ['7.5 / 2', '3.75'],
    ['1e3, .5', '1000,0.5'],
    ["'it''s', TRUE, NULL", "it's,true,"],
    ["UPPER('é'), LOWER('ABC'), CHAR_LENGTH('\u{1f600}')", 'É,abc,1'],
    [
      "SUBSTRING('abcdef', 2, 3), SUBSTRING('abcdef' FROM 3), SUBSTRING('abcdef', -1, 4)",
      'bcd,cdef,ab',
    ],
    [
      "TRIM('  a '), TRIM(LEADING '1' FROM '11211'), TRIM(TRAILING FROM 'a  '), TRIM(BOTH 'xy' FROM 'yxay')",
      'a,211,a,a',
    ],
    ['COALESCE(NULL, MISSING, 3), NULLIF(1, 1), NULLIF(1, 2)', '3,,1'],
    [
      "CAST('12.7' AS INT), CAST(1 AS BOOL), CAST(5 AS STRING) || '', CAST('1.5' AS DECIMAL(5,2))",
      '12,true,5,1.5',
    ],
    ["CAST('2007-04-05T14:30Z' AS TIMESTAMP)", '2007-04-05T14:30:00Z'],
    [
      "EXTRACT(YEAR FROM TO_TIMESTAMP('2007-04T')), EXTRACT(month FROM TO_TIMESTAMP('2007-04-05T00:00:00+01:00'))",
      '2007,4',
    ],
    ["DATE_ADD(month, 1, TO_TIMESTAMP('2024-01-31T'))", '2024-02-29T00:00:00Z'],
    ["DATE_DIFF(day, TO_TIMESTAMP('2010-01-01T23:00Z'), TO_TIMESTAMP('2010-01-02T01:00Z'))", '0'],
    ["DATE_DIFF(year, TO_TIMESTAMP('2010-06-01T'), TO_TIMESTAMP('2012-05-31T'))", '1'],
    [
      "TO_STRING(TO_TIMESTAMP('1969-07-20T20:18:09Z'), 'MMMM d, y h:m a')",
      '"July 20, 1969 8:18 PM"',
    ],
    ["TO_STRING(UTCNOW(), 'yyyy-MM-dd''T''HH:mm:ssX')", '2026-01-02T03:04:05Z'],
    ['NULL = NULL, NOT NULL, NULL AND FALSE, NULL OR TRUE', ',,false,true'],
    ["'10' > 9, 'b' > 'a', 'x' = 1, 'x' <> 1", 'true,true,false,true'],
    ['1 IN (2, NULL), 1 NOT IN (2, 3), 5 BETWEEN 1 AND NULL, 5 BETWEEN 6 AND NULL', ',true,,false'],
    ['NULL IS NULL, MISSING IS MISSING, NULL IS MISSING, 1 IS NOT NULL', 'true,true,false,true'],
    ["'100%' LIKE '100!%' ESCAPE '!', 'ab' LIKE '_', '' LIKE '%'", 'true,false,true'],
  ])('%s', async (expressions, expected) => {
    expect(await select(`SELECT ${expressions} FROM S3Object`, 'a')).toBe(`${expected}\n`)
  })
})

describe('JSON', () => {
  const text = '{"a":1,"b":{"c":[10,20],"D":"x"}}\n\n{"a":"2","b":null}\n{"A":3}\n'

  test.each([
    ['SELECT * FROM S3Object', '{"a":1,"b":{"c":[10,20],"D":"x"}}\n{"a":"2","b":null}\n{"A":3}\n'],
    [
      'SELECT s.a, s.b.c[1] AS second, s.b.d FROM S3Object s LIMIT 2',
      '{"a":1,"second":20,"d":"x"}\n{"a":"2"}\n',
    ],
    ['SELECT s.a + 1 FROM S3Object s', '{"_1":2}\n{"_1":3}\n{"_1":4}\n'],
    ["SELECT s['a'] FROM S3Object s WHERE s.b IS MISSING", '{}\n'],
    ['SELECT COUNT(s.b) AS n FROM S3Object s', '{"n":1}\n'],
    ['SELECT * FROM S3Object[*].b.c[*]', '{"_1":10}\n{"_1":20}\n'],
    ['SELECT c._1 FROM S3Object[*].b.c[*] c WHERE c._1 > 15', '{"_1":20}\n'],
  ])('of lines: %s', async (sql, expected) => {
    expect(await select(sql, text, LINES, TO_JSON)).toBe(expected)
  })

  test('a document may be a list, stand over lines, and have others behind it', async () => {
    const documents = '[{"n":1},\n {"n":"}]"}]{"n":\n3} {"n":[4]}'
    const got = await select('SELECT s.n FROM S3Object[*] s', documents, DOCUMENT, TO_JSON, 3)
    expect(got).toBe('{"n":1}\n{"n":"}]"}\n{"n":3}\n{"n":[4]}\n')
    const nested = '{"rules":[{"id":1},{"id":2},{"x":[3]}]}'
    expect(await select('SELECT id FROM S3Object[*].rules[*].id', nested, DOCUMENT, TO_JSON)).toBe(
      '{}\n{}\n',
    )
    expect(await select('SELECT r.id FROM S3Object[*].rules[*] r', nested, DOCUMENT)).toBe(
      '1\n2\n\n',
    )
  })

  test('whole numbers that no double holds come back to the digit', async () => {
    const wide = '{"n":12345678901234567890,"m":[-9007199254740993],"f":0.1234567890123456789}'
    expect(await select('SELECT * FROM S3Object', wide, LINES, TO_JSON)).toBe(
      '{"n":12345678901234567890,"m":[-9007199254740993],"f":0.12345678901234568}\n',
    )
    expect(await select('SELECT s.n FROM S3Object s WHERE s.n > 5', wide, LINES)).toBe(
      '12345678901234567890\n',
    )
  })
})

describe('what is no query is refused', () => {
  test.each([
    ['', 'ParseExpectedKeyword'],
    ['SELECT', 'ParseExpectedExpression'],
    ['SELECT a', 'ParseSelectMissingFrom'],
    ['SELECT a FROM t', 'ParseUnsupportedSelect'],
    ['SELECT a FROM S3Object s, S3Object t', 'ParseUnsupportedSelect'],
    ['SELECT (SELECT 1 FROM S3Object) FROM S3Object', 'ParseUnsupportedSelect'],
    ['SELECT a, * FROM S3Object', 'ParseInvalidContextForWildcardInSelectList'],
    ['SELECT a FROM S3Object GROUP BY a', 'ParseUnsupportedSyntax'],
    ['SELECT a FROM S3Object ORDER BY a', 'ParseUnsupportedSyntax'],
    ['SELECT a FROM S3Object s JOIN', 'ParseUnsupportedSyntax'],
    ['SELECT a FROM S3Object LIMIT x', 'ParseExpectedNumber'],
    ['SELECT a FROM S3Object LIMIT 1.5', 'ParseExpectedNumber'],
    ['SELECT a FROM S3Object LIMIT 1; DROP', 'ParseUnexpectedToken'],
    ['SELECT a ? b FROM S3Object', 'LexerInvalidChar'],
    ["SELECT 'a FROM S3Object", 'LexerInvalidLiteral'],
    ['SELECT f(a) FROM S3Object', 'UnsupportedFunction'],
    ['SELECT LOWER(a, b) FROM S3Object', 'EvaluatorInvalidArguments'],
    ['SELECT CAST(a AS BLOB) FROM S3Object', 'ParseExpectedTypeName'],
    ['SELECT a, COUNT(*) FROM S3Object', 'UnsupportedSqlStructure'],
    ['SELECT SUM(COUNT(*)) FROM S3Object', 'UnsupportedSqlStructure'],
    ['SELECT COUNT(*) FROM S3Object WHERE COUNT(*) > 1', 'UnsupportedSqlStructure'],
    ['SELECT a[*] FROM S3Object', 'InvalidKeyPath'],
    ['SELECT a FROM S3Object AS select', 'InvalidTableAlias'],
    [`SELECT ${'('.repeat(5000)}1`, 'ParseUnsupportedSyntax'],
    [`SELECT '${'x'.repeat(300_000)}' FROM S3Object`, 'ExpressionTooLong'],
  ])('%.60s', async (sql, code) => {
    expect(await failure(sql)).toBe(code)
  })
})

describe('data that a query cannot be asked of', () => {
  test.each([
    ['SELECT CAST(_1 AS INT) FROM S3Object', 'a', CSV, 'CastFailed'],
    ['SELECT _1 + 1 FROM S3Object', 'a', CSV, 'UnsupportedSqlOperation'],
    ['SELECT 1 / 0 FROM S3Object', 'a', CSV, 'UnsupportedSqlOperation'],
    ['SELECT _0 FROM S3Object', 'a', CSV, 'InvalidColumnIndex'],
    ['SELECT x FROM S3Object', 'a\n1', NAMED, 'MissingHeaders'],
    ["SELECT 1 LIKE 'a' FROM S3Object", 'a', CSV, 'LikeInvalidInputs'],
    ["SELECT 'a' LIKE 'a!' ESCAPE '!' FROM S3Object", 'a', CSV, 'LikeInvalidInputs'],
    [
      "SELECT TO_STRING(UTCNOW(), 'Q') FROM S3Object",
      'a',
      CSV,
      'EvaluatorInvalidTimestampFormatPattern',
    ],
    ['SELECT * FROM S3Object', '{"a":', LINES, 'JSONParsingError'],
    ['SELECT * FROM S3Object', '{"a":1', DOCUMENT, 'JSONParsingError'],
    ['SELECT * FROM S3Object', '['.repeat(300), DOCUMENT, 'JSONParsingError'],
    ['SELECT * FROM S3Object.a', 'a', CSV, 'InvalidKeyPath'],
  ] as const)('%s: %s', async (sql, text, format, code) => {
    expect(await failure(sql, text, format)).toBe(code)
  })

  test('a record over 1 MiB', async () => {
    const long = 'x'.repeat(1024 * 1024 + 1)
    for (const format of [CSV, LINES])
      await expect(select('SELECT * FROM S3Object', long, format, TO_CSV, 65_536)).rejects.toThrow(
        'maxCharsPerRecord',
      )
  })

  test('bytes that are no UTF-8', async () => {
    const text = decoded(
      (async function* () {
        yield Uint8Array.of(0x61, 0xff)
      })(),
    )
    const parts = { input: CSV, output: TO_CSV, header: undefined, now: NOW, text }
    const results = run({ ...parts, query: parseQuery('SELECT * FROM S3Object') })
    await expect(results.next()).rejects.toMatchObject({ code: 'InvalidTextEncoding' })
  })
})

describe('other marks', () => {
  test('delimiters, quotes, escapes and comments are the object’s', async () => {
    const format: InputFormat = {
      ...CSV,
      quote: "'",
      escape: '\\',
      fieldDelimiter: '|',
      recordDelimiter: ';;',
      comments: '#',
      quotedDelimiters: true,
    }
    const text = "# note;;a|'b|;;\\'c'|d;;x|y;;"
    const output: OutputFormat = { ...TO_CSV, always: true, quote: "'", escape: '\\' }
    expect(await select('SELECT * FROM S3Object', text, format, output)).toBe(
      "'a','b|;;\\'c','d'\n'x','y'\n",
    )
  })

  test('a first record that is a header can be passed over', async () => {
    const ignoring: InputFormat = { ...CSV, headers: 'IGNORE' }
    expect(await select('SELECT _1 FROM S3Object', PEOPLE, ignoring)).toBe('Ada\nBo\nCy\n')
  })
})

test('LIKE says what a regular expression says', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '%', '_'), maxLength: 12 })
  fc.assert(
    fc.property(text, text, (subject, pattern) => {
      const source = Array.from(pattern, (c) => (c === '%' ? '[^]*' : c === '_' ? '[^]' : c)).join(
        '',
      )
      expect(likeTest(pattern, '')(subject)).toBe(new RegExp(`^${source}$`).test(subject))
    }),
  )
})

test('no text makes the parser fail in any other way than by its own errors', () => {
  const word = fc.constantFrom(
    'SELECT',
    'FROM',
    'S3Object',
    'WHERE',
    'a',
    '"b"',
    "'c'",
    '1',
    '*',
    '(',
    ')',
    ',',
    '.',
    '[',
    ']',
    'AND',
    'NOT',
    'IN',
    'LIKE',
    'BETWEEN',
    'CASE',
    'WHEN',
    'END',
    'COUNT',
    'CAST',
    'AS',
    'LIMIT',
    '=',
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 20 }), (words) => {
      try {
        parseQuery(words.join(' '))
      } catch (error) {
        expect(error).toBeInstanceOf(SelectError)
      }
    }),
    { numRuns: 2000 },
  )
})
