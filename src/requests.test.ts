import { expect, test } from 'vitest'
import { SILENT } from './lib/meter.ts'
import { BlobMissing, StoreUnavailable } from './lib/store-error.ts'
import { type Log, SILENT_LOG } from './log.ts'
import { createRequestRecorder } from './requests.ts'
import type { RequestEntry } from './http/request-entry.ts'

const ENTRY: RequestEntry = {
  requestId: 'R',
  method: 'GET',
  operation: 'GetObject',
  bucket: 'b',
  key: 'k',
  status: 200,
  code: undefined,
  error: undefined,
  bytesIn: 0,
  bytesOut: 0,
  durationMs: 1,
  isBroken: false,
  remoteAddress: '127.0.0.1',
  userAgent: undefined,
  requester: undefined,
}

const lost = new BlobMissing('blob 01 is missing')
const superseded = new StoreUnavailable('replaced')
const gone = new DOMException('This operation was aborted', 'AbortError')

test.each<[string, Partial<RequestEntry>, string, unknown]>([
  ['an answer', {}, 'info', undefined],
  ['a refusal', { status: 404, code: 'NoSuchKey' }, 'info', undefined],
  ['a client that went away', { isBroken: true }, 'info', undefined],
  [
    'the abort that follows it',
    { isBroken: true, code: 'InternalError', error: gone },
    'info',
    undefined,
  ],
  [
    'an upload that broke off',
    { status: 400, isBroken: true, code: 'IncompleteBody' },
    'info',
    undefined,
  ],
  ['a failure', { status: 500, code: 'InternalError', error: lost }, 'error', lost],
  [
    'bytes that are lost behind the head',
    { isBroken: true, code: 'InternalError', error: lost },
    'error',
    lost,
  ],
  [
    'a download whose object was replaced',
    { isBroken: true, code: 'SlowDown', error: superseded },
    'info',
    superseded,
  ],
])('%s is told where it belongs', (_, more, level, error) => {
  const told: [level: string, error: unknown][] = []
  const log: Log = {
    ...SILENT_LOG,
    has: () => true,
    info: (_, fields) => told.push(['info', fields?.['error']]),
    error: (_, fields) => told.push(['error', fields?.['error']]),
  }
  createRequestRecorder(log, SILENT)({ ...ENTRY, ...more })
  expect(told).toEqual([[level, error]])
})
