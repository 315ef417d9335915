/** Following a gateway's feed (`GET /changes`): page after page, waiting for what comes, across its restarts. */
import { setTimeout as sleep } from 'node:timers/promises'
import { MaintenanceError } from '../maintain/maintenance-error.ts'

export interface FeedSource {
  /** `http://127.0.0.1:9000` */
  readonly url: string
  readonly token: string
  readonly signal: AbortSignal
}

export interface FeedPage {
  /** One JSON object a line; empty where nothing came. */
  readonly text: string
  /** Where to go on. */
  readonly cursor: number
  readonly lastIndex: number
  readonly term: number
}

const WAIT_SECONDS = 20
const RETRY_MS = 500

/** One request. Rejects with `MaintenanceError` where asking again would not help. */
export async function askFeed(
  { url, token, signal }: FeedSource,
  query: Readonly<Record<string, number | undefined>>,
): Promise<FeedPage> {
  const target = new URL('/changes', url)
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) target.searchParams.set(name, String(value))
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(target, { headers, signal })
  if (response.status >= 500) throw new Error(`${url} answered ${response.status}`)
  if (response.status !== 200) throw new MaintenanceError(await whyNot(url, response))
  const number = (name: string): number => Number(response.headers.get(name))
  return {
    text: await response.text(),
    cursor: number('sluice-cursor'),
    lastIndex: number('sluice-last-index'),
    term: number('sluice-term'),
  }
}

/** Pages without end; while the gateway does not answer it is asked again and again. Without a cursor from the first change there is. */
export async function* follow(
  source: FeedSource,
  after: number | undefined,
): AsyncGenerator<FeedPage, void, undefined> {
  let cursor = after
  for (;;) {
    try {
      const page = await askFeed(source, { after: cursor, wait: WAIT_SECONDS })
      cursor = page.cursor
      yield page
    } catch (error) {
      if (error instanceof MaintenanceError || source.signal.aborted) throw error
      await sleep(RETRY_MS, undefined, { signal: source.signal })
    }
  }
}

async function whyNot(url: string, response: Response): Promise<string> {
  const { status } = response
  if (status === 401) return `${url} does not know this token`
  const text = await response.text()
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown }
    if (typeof error === 'string') return `${url}: ${error}`
  } catch {
    // No answer of a feed.
  }
  return `${url} serves no feed (status ${status}): it takes metadata.log and feed.token`
}
