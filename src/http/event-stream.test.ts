/** AWS's own SDK reads what is framed here. */
import { Readable } from 'node:stream'
import { S3Client, SelectObjectContentCommand } from '@aws-sdk/client-s3'
import { HttpResponse } from '@smithy/core/protocols'
import { expect, test } from 'vitest'
import type { SelectEvent } from '../api/select-event.ts'
import type { Body } from '../lib/stream.ts'
import { frame } from './event-stream.ts'
import { renderOutput } from './render.ts'

async function* listed(events: readonly SelectEvent[]): AsyncGenerator<SelectEvent> {
  yield* events
}

async function read(events: readonly SelectEvent[]): Promise<readonly object[]> {
  const {
    status: statusCode,
    headers,
    body,
  } = renderOutput('SelectObjectContent', {
    Payload: listed(events),
  })
  expect(headers).toEqual(['content-type', 'application/vnd.amazon.eventstream'])
  const response = new HttpResponse({ statusCode, headers: {}, body: Readable.from(body as Body) })
  const client = new S3Client({
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 's' },
    requestHandler: { handle: async () => ({ response }) },
  })
  const { Payload } = await client.send(
    new SelectObjectContentCommand({
      Bucket: 'b',
      Key: 'k',
      Expression: 'SELECT 1',
      ExpressionType: 'SQL',
      InputSerialization: { CSV: {} },
      OutputSerialization: { CSV: {} },
    }),
  )
  const got: object[] = []
  for await (const event of Payload!) got.push(event)
  return got
}

test('every event comes as what it is', async () => {
  const counts = { scanned: 1, processed: 2, returned: 3 }
  const details = { BytesScanned: 1, BytesProcessed: 2, BytesReturned: 3 }
  const got = await read([
    { kind: 'records', payload: Buffer.from('a,é\n') },
    { kind: 'continuation' },
    { kind: 'progress', ...counts },
    { kind: 'stats', ...counts },
    { kind: 'end' },
  ])
  expect(got).toMatchObject([
    { Records: {} },
    { Cont: {} },
    { Progress: { Details: details } },
    { Stats: { Details: details } },
    { End: {} },
  ])
  const [{ Records: { Payload } } = { Records: { Payload: undefined } }] = got as {
    Records: { Payload?: Uint8Array }
  }[]
  expect(Buffer.from(Payload!).toString()).toBe('a,é\n')
})

test('an error is one to the client', async () => {
  const failing = read([
    { kind: 'records', payload: Buffer.from('a') },
    { kind: 'error', code: 'CastFailed', message: 'no number' },
  ])
  await expect(failing).rejects.toThrow('no number')
})

test('a message is the bytes that AWS describes', () => {
  // "Event stream encoding", an empty message: its prelude, no headers, and two CRCs.
  expect(Buffer.from(frame([], new Uint8Array(0))).toString('hex')).toBe(
    '000000100000000005c248eb7d98c8ff',
  )
})
