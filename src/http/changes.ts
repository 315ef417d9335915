/**
 * `GET /changes`: every change of metadata in order, for those who follow the gateway. Who follows keeps a
 * cursor, the index of the last change that he has; it is good across restarts, for as long as the log
 * reaches back to it.
 *
 *     ?after=CURSOR   changes behind it; without it, from the first there is (`Last-Event-ID` beats it)
 *     ?limit=N        1 to 1000 at once
 *     ?wait=SECONDS   0 to 60: how long to wait where there is none yet
 *     ?lastTerm=T     term of the change at the cursor: 409 where that is another change here
 *     ?term=T         who follows knows of a later term: this gateway never writes again
 *
 * The answer is one JSON object a line, and the headers `sluice-cursor` (for the next request),
 * `sluice-last-index` and `sluice-term`. To `Accept: text/event-stream` it is an endless stream of events
 * with the index as their id. 410 where the log does not reach back that far: then a copy is needed first,
 * which `GET /changes?copy` answers, with the cursor behind it in `sluice-cursor` (204 where there is none).
 */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeStream } from 'node:stream/web'
import { isBearer } from './bearer.ts'

export interface Change {
  readonly index: number
  /** One JSON object, without a line feed. */
  readonly json: string
}

/** Where changes come from. */
export interface ChangeSource {
  /** Whoever asks must bear this. */
  readonly token: string
  /** First and last index that can be read. */
  readonly firstIndex: () => number
  readonly lastIndex: () => number
  readonly term: () => number
  /** At most so many behind the cursor, and the cursor behind those. */
  read(
    cursor: number,
    limit: number,
  ): Promise<{ readonly changes: readonly Change[]; readonly cursor: number }>
  /** Resolves once there is something behind the cursor; rejects when the signal says so. */
  arrived(cursor: number, signal: AbortSignal): Promise<void>
  /** Of a change that can be read, or the last that was purged. */
  termOf(index: number): number | undefined
  /** A file with a copy of all rows, as of that change; undefined where there is none. */
  copy(): Promise<
    { readonly index: number; readonly term: number; readonly file: string } | undefined
  >
  /** Once it says so, nobody is kept waiting any more, and streams end. */
  readonly ending: AbortSignal
  /** This gateway never writes again, if the term is later than its own. */
  fence(term: number): Promise<void>
}

const LIMIT_MAX = 1000
const WAIT_SECONDS_MAX = 60
/** A stream that has nothing to say says so this often, so that whoever is between does not close it. */
const HEARTBEAT_MS = 15_000

interface Query {
  readonly after: number
  readonly lastTerm: number
  readonly limit: number
  readonly waitMs: number
  readonly term: number
}

export async function answerChanges(source: ChangeSource, request: Request): Promise<Response> {
  if (!isBearer(request.headers.get('authorization') ?? '', source.token))
    return refusal(401, 'a bearer token is required', { 'www-authenticate': 'Bearer' })
  if (new URL(request.url).searchParams.has('copy')) return copy(source)
  const query = readQuery(source, request)
  if (typeof query === 'string') return refusal(400, query)
  if (query.term > source.term()) await source.fence(query.term)
  if (query.after + 1 < source.firstIndex())
    return refusal(410, `the log goes back to ${source.firstIndex()}; a copy is needed first`)
  if (query.after > source.lastIndex())
    return refusal(409, `the log ends at ${source.lastIndex()}: this cursor is of another one`)
  const lastTerm = source.termOf(query.after)
  if (query.lastTerm > 0 && lastTerm !== undefined && lastTerm !== query.lastTerm)
    return refusal(
      409,
      `change ${query.after} is another one here: this cursor is of another history`,
    )
  return isStream(request) ? stream(source, query.after) : page(source, query, request.signal)
}

function isStream(request: Request): boolean {
  return request.headers.get('accept')?.includes('text/event-stream') === true
}

/** What is wrong with it, where something is. */
function readQuery(source: ChangeSource, request: Request): Query | string {
  const { searchParams } = new URL(request.url)
  const number = (name: string, preset: number, max: number): number => {
    const text = searchParams.get(name) ?? String(preset)
    return /^\d{1,16}$/.test(text) && Number(text) <= max ? Number(text) : Number.NaN
  }
  const eventId = request.headers.get('last-event-id')
  if (eventId !== null) searchParams.set('after', eventId)
  const after = number('after', source.firstIndex() - 1, Number.MAX_SAFE_INTEGER)
  const limit = number('limit', LIMIT_MAX, LIMIT_MAX)
  const wait = number('wait', 0, WAIT_SECONDS_MAX)
  const lastTerm = number('lastTerm', 0, Number.MAX_SAFE_INTEGER)
  const term = number('term', 0, Number.MAX_SAFE_INTEGER)
  if (Number.isNaN(after)) return 'after is the index of a change, or 0'
  if (!(limit >= 1)) return `limit is 1 to ${LIMIT_MAX}`
  if (Number.isNaN(wait)) return `wait is 0 to ${WAIT_SECONDS_MAX} seconds`
  if (Number.isNaN(term) || Number.isNaN(lastTerm)) return 'a term is a whole number'
  return { after, lastTerm, limit, waitMs: wait * 1000, term }
}

async function page(
  source: ChangeSource,
  { after, limit, waitMs }: Query,
  signal: AbortSignal,
): Promise<Response> {
  if (waitMs > 0 && after >= source.lastIndex()) {
    const patience = AbortSignal.any([signal, source.ending, AbortSignal.timeout(waitMs)])
    // Nothing came, or nobody waits any more.
    await source.arrived(after, patience).catch(() => {})
  }
  const { changes, cursor } = await source.read(after, limit)
  const text = changes.map(({ json }) => `${json}\n`).join('')
  return new Response(text, {
    headers: {
      'content-type': 'application/x-ndjson',
      'cache-control': 'no-store',
      'sluice-cursor': String(cursor),
      'sluice-last-index': String(source.lastIndex()),
      'sluice-term': String(source.term()),
    },
  })
}

async function copy(source: ChangeSource): Promise<Response> {
  const found = await source.copy()
  if (found === undefined) return new Response(null, { status: 204 })
  const body = Readable.toWeb(createReadStream(found.file)) as NodeStream<Uint8Array>
  return new Response(body, {
    headers: {
      'content-type': 'application/x-ndjson',
      'sluice-cursor': String(found.index),
      'sluice-term': String(found.term),
    },
  })
}

function stream(source: ChangeSource, after: number): Response {
  const ending = new AbortController()
  const encoder = new TextEncoder()
  let cursor = after
  // One page at a time, as the reader takes them.
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const signals = [ending.signal, source.ending, AbortSignal.timeout(HEARTBEAT_MS)]
      const patience = AbortSignal.any(signals)
      const isQuiet = await source.arrived(cursor, patience).then(
        () => false,
        () => true,
      )
      if (ending.signal.aborted) return
      if (source.ending.aborted) return controller.close()
      try {
        const found = await source.read(cursor, LIMIT_MAX)
        cursor = found.cursor
        const events = found.changes.map(({ index, json }) => `id: ${index}\ndata: ${json}\n\n`)
        if (events.length > 0 || isQuiet)
          controller.enqueue(encoder.encode(events.join('') || ': nothing new\n\n'))
      } catch {
        // The log was purged under a reader who is too slow, or is closed: he asks again, and is told.
        controller.close()
      }
    },
    cancel: () => ending.abort(),
  })
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
  return new Response(body, { headers })
}

function refusal(status: number, error: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error }, { status, headers })
}
