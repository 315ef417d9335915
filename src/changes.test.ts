/** The change feed: a real log behind, the control plane before. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { History } from '../metadata/history.ts'
import { openMetadataHistory } from '../metadata/open.ts'
import type { MetadataStore } from '../metadata/store.ts'
import { changesOf } from './changes.ts'
import { type Control, createControl } from './http/app.ts'
import { answerChanges } from './http/changes.ts'
import { SILENT } from './lib/meter.ts'

const root = mkdtempSync(path.join(tmpdir(), 'sluice-changes-'))
afterAll(() => rmSync(root, { recursive: true }))

const TOKEN = 'a token of some length'
const BEARER = { authorization: `Bearer ${TOKEN}` }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(root, 'log-'))
})

interface Served extends AsyncDisposable {
  readonly store: MetadataStore
  readonly control: Control
  readonly ending: AbortController
  readonly history: History
}

async function serve(): Promise<Served> {
  const ending = new AbortController()
  const options = { engine: 'logged', log: 'segment', path: folder } as const
  const { store, history } = await openMetadataHistory(options, SILENT)
  const control = createControl({
    ready: async () => ({}),
    metrics: async () => '',
    metricsToken: undefined,
    openapi: () => '{}',
    changes: changesOf(history!, TOKEN, ending.signal),
  })
  return {
    store,
    control,
    ending,
    history: history!,
    [Symbol.asyncDispose]: async () => store[Symbol.asyncDispose](),
  }
}

async function ask(
  { control }: Served,
  query: string,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  const init = { headers: { ...BEARER, ...headers }, ...(signal && { signal }) }
  return control.fetch(new Request(`http://h/changes${query}`, init))
}

async function put(store: MetadataStore, sort: string, value: number): Promise<void> {
  const writes = [{ table: 'object' as const, sort, value, bytes: Uint8Array.of(value) }]
  await store.commit({ partition: 'photos', expects: [], writes })
}

async function indexesOf(response: Response): Promise<number[]> {
  const lines = (await response.text()).split('\n').filter(Boolean)
  return lines.map((line) => (JSON.parse(line) as { index: number }).index)
}

test('every change is told in order, with what it wrote', async () => {
  await using served = await serve()
  await put(served.store, 'a', 1)
  await put(served.store, 'a', 2)
  const response = await ask(served, '')
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/x-ndjson')
  expect(response.headers.get('sluice-cursor')).toBe('2')
  expect(response.headers.get('sluice-term')).toBe('1')
  const lines = (await response.text()).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
    [1, 2].map((index) => ({
      index,
      term: 1,
      at: expect.any(Number) as number,
      partition: 'photos',
      writes: [{ table: 'object', sort: 'a', value: index, bytes: index === 1 ? 'AQ==' : 'Ag==' }],
    })),
  )
})

test('a cursor goes on where it was, after a restart too', async () => {
  let cursor: string
  {
    await using served = await serve()
    for (let i = 0; i < 5; i++) await put(served.store, `k${i}`, i)
    const response = await ask(served, '?limit=3')
    expect(await indexesOf(response)).toEqual([1, 2, 3])
    cursor = response.headers.get('sluice-cursor')!
  }
  await using served = await serve()
  await put(served.store, 'later', 1)
  expect(await indexesOf(await ask(served, `?after=${cursor}`))).toEqual([4, 5, 6])
})

test('who waits is told as soon as there is something, or that there is nothing', async () => {
  await using served = await serve()
  const waiting = ask(served, '?after=0&wait=30')
  await put(served.store, 'k', 1)
  expect(await indexesOf(await waiting)).toEqual([1])
  const ending = new AbortController()
  const gone = ask(served, '?after=1&wait=30', {}, ending.signal)
  ending.abort()
  expect(await indexesOf(await gone)).toEqual([])
  const started = performance.now()
  expect(await indexesOf(await ask(served, '?after=1&wait=1'))).toEqual([])
  expect(performance.now() - started).toBeGreaterThan(900)
})

test('a stream of events tells what there is, and then what comes', async () => {
  await using served = await serve()
  for (let i = 0; i < 3; i++) await put(served.store, `k${i}`, i)
  const headers = { accept: 'text/event-stream', 'last-event-id': '1' }
  const response = await ask(served, '?after=0', headers)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const reader = response.body!.getReader()
  onTestFinished(async () => reader.cancel())
  const next = async (): Promise<string> =>
    Buffer.from((await reader.read()).value as Uint8Array).toString()
  expect((await next()).match(/^id: \d+$/gm)).toEqual(['id: 2', 'id: 3'])
  const coming = next()
  await put(served.store, 'more', 4)
  const event = await coming
  expect(event).toMatch(/^id: 4\ndata: \{"index":4,.*\}\n\n$/)
  await reader.cancel()
})

test('when the gateway ends, who waits is answered, and streams end', async () => {
  await using served = await serve()
  await put(served.store, 'k', 1)
  const waiting = ask(served, '?after=1&wait=60')
  const stream = await ask(served, '?after=1', { accept: 'text/event-stream' })
  const text = stream.text()
  served.ending.abort()
  expect(await indexesOf(await waiting)).toEqual([])
  expect(await text).toBe('')
})

test('without the token nothing is told, and nobody learns whether there is anything', async () => {
  await using served = await serve()
  for (const authorization of ['', 'Bearer wrong', `bearer ${TOKEN}`, TOKEN]) {
    const response = await ask(served, '', { authorization })
    expect(response.status).toBe(401)
    expect(await response.text()).not.toContain('photos')
  }
})

test.each(['?after=-1', '?after=x', '?limit=0', '?limit=1001', '?wait=61', '?term=x', '?after='])(
  '%s is refused, and told what may be asked',
  async (query) => {
    await using served = await serve()
    const response = await ask(served, query)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ error: expect.any(String) as string })
  },
)

test('a cursor of another log is refused', async () => {
  await using served = await serve()
  await put(served.store, 'k', 1)
  expect((await ask(served, '?after=2')).status).toBe(409)
})

test('who asks for a copy gets the newest, and learns where to go on; there may be none', async () => {
  await using served = await serve()
  expect((await ask(served, '?copy')).status).toBe(204)
  expect((await ask(served, '?copy', { authorization: '' })).status).toBe(401)
  const file = path.join(folder, 'copy.jsonl')
  writeFileSync(file, 'all rows\n')
  const source = { ...changesOf(served.history, TOKEN, served.ending.signal) }
  const copy = async () => ({ index: 70, term: 3, file })
  const request = new Request('http://h/changes?copy', { headers: BEARER })
  const response = await answerChanges({ ...source, copy }, request)
  expect(response.headers.get('sluice-cursor')).toBe('70')
  expect(response.headers.get('sluice-term')).toBe('3')
  expect(await response.text()).toBe('all rows\n')
})

test('a cursor behind which another history stands is refused', async () => {
  await using served = await serve()
  await put(served.store, 'k', 1)
  expect((await ask(served, '?after=1&lastTerm=1')).status).toBe(200)
  expect((await ask(served, '?after=1&lastTerm=2')).status).toBe(409)
})

test('a gateway that learns of a later term never writes again, and is not opened again', async () => {
  {
    await using served = await serve()
    await put(served.store, 'before', 1)
    const response = await ask(served, '?after=0&term=2')
    expect(response.headers.get('sluice-term')).toBe('2')
    expect(await indexesOf(response)).toEqual([1])
    await expect(put(served.store, 'after', 1)).rejects.toMatchObject({ name: 'StoreFenced' })
    expect(await served.store.get('photos', 'object', 'before')).toMatchObject({ value: 1 })
    // The same term again, or an earlier one, changes nothing.
    expect((await ask(served, '?after=1&term=2')).headers.get('sluice-term')).toBe('2')
  }
  await expect(serve()).rejects.toMatchObject({ name: 'StoreFenced' })
})

test('where no history is served /changes is a bucket', () => {
  const control = createControl({
    ready: async () => ({}),
    metrics: async () => '',
    metricsToken: undefined,
    openapi: () => '{}',
  })
  expect(control.owns('GET', '/changes', 'Bearer x')).toBe(false)
})
