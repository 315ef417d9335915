import { gzipSync } from 'node:zlib'
import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { underKey } from '../../storage/open.ts'
import type { SelectEvent } from '../api/select-event.ts'
import { brings, Encrypted } from './encryption.fixture.ts'
import { CALL } from './s3.fixture.ts'
import { selectObjectContent } from './select-object.ts'

const ROWS = 'id,name\n1,Ada\n2,Bo\n3,Cy\n'

let f: Encrypted
beforeEach(async () => {
  const storage = new MemoryStorage()
  f = new Encrypted(new MemoryStore(), storage, underKey(storage))
  await f.bucket()
})

type Asked = Parameters<ReturnType<typeof selectObjectContent>>[0]

async function events(more: Partial<Asked> = {}): Promise<SelectEvent[]> {
  const input: Asked = {
    Bucket: 'b',
    Key: 'k',
    Expression: 'SELECT * FROM S3Object',
    ExpressionType: 'SQL',
    InputSerialization: { CSV: { FileHeaderInfo: 'USE' } },
    OutputSerialization: { CSV: {} },
    ...more,
  }
  const all: SelectEvent[] = []
  const { Payload } = await selectObjectContent(f.ctx)(input, CALL)
  for await (const event of Payload!) all.push(event)
  return all
}

async function text(more: Partial<Asked> = {}): Promise<string> {
  return (await events(more))
    .map((event) => (event.kind === 'records' ? Buffer.from(event.payload).toString() : ''))
    .join('')
}

test('records, statistics and an end, in this order', async () => {
  await f.put('k', ROWS)
  const all = await events({ RequestProgress: { Enabled: true } })
  const counts = { scanned: ROWS.length, processed: ROWS.length, returned: 16 }
  expect(all).toEqual([
    { kind: 'records', payload: Buffer.from('1,Ada\n2,Bo\n3,Cy\n') },
    { kind: 'progress', ...counts },
    { kind: 'stats', ...counts },
    { kind: 'end' },
  ])
})

test('what is compressed is counted before and after', async () => {
  const packed = gzipSync(ROWS)
  await f.put('k', packed)
  const gzip = { CSV: { FileHeaderInfo: 'USE' as const }, CompressionType: 'GZIP' as const }
  const all = await events({ InputSerialization: gzip })
  expect(all[1]).toMatchObject({ scanned: packed.length, processed: ROWS.length })
  await f.put('k', packed.subarray(0, packed.length - 12))
  await expect(text({ InputSerialization: gzip })).rejects.toMatchObject({ code: 'TruncatedInput' })
  await f.put('k', ROWS)
  await expect(text({ InputSerialization: gzip })).rejects.toMatchObject({
    code: 'InvalidCompressionFormat',
  })
})

test('what comes to light behind the first results ends them with an error', async () => {
  const many = Array.from({ length: 20_000 }, (_, n) => `${n},${'x'.repeat(10)}\n`).join('')
  await f.put('k', `${many}nonsense,y\n`)
  const all = await events({
    Expression: 'SELECT CAST(_1 AS INT) FROM S3Object',
    InputSerialization: { CSV: {} },
  })
  expect(all.at(-1)).toMatchObject({ kind: 'error', code: 'CastFailed' })
  expect(all[0]!.kind).toBe('records')
  const soon = text({ Expression: 'SELECT CAST(name AS INT) FROM S3Object' })
  await f.put('k', ROWS)
  await expect(soon).rejects.toMatchObject({ code: 'MissingHeaders', status: 400 })
})

test('scan ranges that share an object give each record once', async () => {
  const body = `id,n\n${Array.from({ length: 300 }, (_, n) => `${n},${'y'.repeat(n % 7)}\n`).join('')}`
  await f.put('k', body)
  for (const step of [1000, 333, 7, 1]) {
    let all = ''
    for (let Start = 0; Start < body.length; Start += step) {
      if (step < 10 && Start > 200) break
      all += await text({ ScanRange: { Start, End: Start + step - 1 } })
    }
    const whole = await text()
    expect(step < 10 ? whole.startsWith(all) && all.length > 100 : all === whole).toBe(true)
  }
  expect(await text({ ScanRange: { End: 3 } })).toBe('')
  expect(await text({ ScanRange: { Start: body.length - 8 } })).toBe('')
  await expect(text({ ScanRange: { Start: body.length } })).rejects.toMatchObject({
    code: 'InvalidScanRange',
  })
  const open = { CSV: { AllowQuotedRecordDelimiter: true } }
  await expect(text({ ScanRange: { Start: 0 }, InputSerialization: open })).rejects.toMatchObject({
    code: 'InvalidScanRange',
  })
})

test('lines of JSON are scanned in ranges too', async () => {
  await f.put('k', '{"a":1}\n{"a":2}\n{"a":3}\n')
  const json = { InputSerialization: { JSON: { Type: 'LINES' as const } } }
  expect(await text({ ...json, ScanRange: { Start: 1, End: 8 } })).toBe('2\n')
  expect(await text({ ...json, ScanRange: { End: 8 } })).toBe('3\n')
})

test('an object of a client’s key is read with it', async () => {
  await f.put('k', ROWS.repeat(20), brings('mine'))
  const query = { Expression: 'SELECT COUNT(*) FROM S3Object', ...brings('mine') }
  expect(await text(query)).toBe('79\n')
  await expect(text()).rejects.toMatchObject({ code: 'InvalidRequest' })
})

test.each([
  [{ ExpressionType: 'XPATH' }, 'InvalidExpressionType'],
  [{ InputSerialization: { CSV: {}, JSON: { Type: 'LINES' } } }, 'ObjectSerializationConflict'],
  [{ InputSerialization: {} }, 'InvalidDataSource'],
  [{ InputSerialization: { Parquet: {} } }, 'NotImplemented'],
  [{ InputSerialization: { JSON: {} } }, 'InvalidJsonType'],
  [{ InputSerialization: { CSV: { FileHeaderInfo: 'YES' } } }, 'InvalidFileHeaderInfo'],
  [{ InputSerialization: { CSV: {}, CompressionType: 'ZIP' } }, 'InvalidCompressionFormat'],
  [{ InputSerialization: { CSV: {}, CompressionType: 'BZIP2' } }, 'NotImplemented'],
  [{ InputSerialization: { CSV: { RecordDelimiter: '' } } }, 'InvalidRequestParameter'],
  [{ InputSerialization: { CSV: { FieldDelimiter: 'abc' } } }, 'InvalidRequestParameter'],
  [{ OutputSerialization: {} }, 'MissingRequiredParameter'],
  [{ OutputSerialization: { CSV: { QuoteFields: 'NEVER' } } }, 'InvalidQuoteFields'],
  [{ Key: 'none' }, 'NoSuchKey'],
  [{ Expression: 'SELECT' }, 'ParseExpectedExpression'],
])('%j is refused before anything is answered: %s', async (more, code) => {
  await f.put('k', ROWS)
  await expect(text(more as Partial<Asked>)).rejects.toMatchObject({ code })
})

test('a reader that goes away stops the reading', async () => {
  await f.put('k', ROWS.repeat(100_000).slice(0, 1_000_000))
  const input: Asked = {
    Bucket: 'b',
    Key: 'k',
    Expression: 'SELECT * FROM S3Object',
    ExpressionType: 'SQL',
    InputSerialization: { CSV: {} },
    OutputSerialization: { JSON: {} },
  }
  const { Payload } = await selectObjectContent(f.ctx)(input, CALL)
  for await (const event of Payload!) {
    expect(event.kind).toBe('records')
    break
  }
})
