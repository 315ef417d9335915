/**
 * Many clients at few keys over several gateways, and what each of them saw: the history that the checker
 * (linearizable.ts) judges. Conditions are made of what the client saw last, so that they hold about as
 * often as not.
 */
import { createHash } from 'node:crypto'
import { Client, type Reply } from '../harness/client.ts'
import type { Operation } from './linearizable.ts'
import { ABSENT, type Act, foundOutcome } from './register.ts'

const CLIENTS = 12
const KEYS = 4
/** Then all go over to new keys: the histories stay short, and so does the search. */
const ROUND_MS = 2000
/** Kept in its row, and in a blob: what a value is filled up to. */
const SIZES = [100, 100, 40_000]

export interface Seen extends Operation<Act> {
  readonly key: string
  /** Index of the gateway. */
  readonly at: number
}

/** What all clients saw until `signal`, of keys below `folder`, where nothing is yet. Rejects where an answer is one that S3 never gives. */
export async function record(
  endpoints: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<readonly Seen[]> {
  const clients = endpoints.map((endpoint) => new Client({ endpoint }))
  const seen: Seen[] = []
  const begun = performance.now()
  const one = async (number: number): Promise<void> => {
    const last = new Map<string, string>()
    for (let n = 0; !signal.aborted; n++) {
      const round = Math.floor((performance.now() - begun) / ROUND_MS)
      const key = `${folder}/round-${round}/key-${below(KEYS)}`
      const at = below(clients.length)
      const body = Buffer.alloc(SIZES[below(SIZES.length)]!, `${key} ${number} ${n} `)
      const act = someAct(md5(body), last.get(key))
      const operation = await perform(clients[at]!, `/${key}`, act, body)
      if (operation === undefined) continue
      seen.push({ ...operation, key, at })
      const { outcome } = operation
      if (outcome?.startsWith('200 ') === true) last.set(key, outcome.slice(4))
      else if (outcome === '200' && act.kind === 'put') last.set(key, act.etag)
    }
  }
  try {
    await Promise.all(Array.from({ length: CLIENTS }, (_, number) => one(number)))
  } finally {
    for (const client of clients) client[Symbol.dispose]()
  }
  return seen
}

function someAct(etag: string, last: string | undefined): Act {
  const known = last ?? '0'.repeat(32)
  const chance = Math.random()
  if (chance < 0.3) return { kind: 'get' }
  if (chance < 0.4) return { kind: 'put', etag }
  if (chance < 0.6) return { kind: 'put', etag, only: 'absent' }
  if (chance < 0.8) return { kind: 'put', etag, only: { etag: known } }
  if (chance < 0.9) return { kind: 'delete' }
  return { kind: 'delete', only: { etag: known } }
}

/** Undefined where it cannot have done anything, and told nothing. */
async function perform(
  client: Client,
  path: string,
  act: Act,
  body: Uint8Array,
): Promise<Operation<Act> | undefined> {
  const begin = performance.now()
  let reply: Reply
  try {
    reply = await send(client, path, act, body)
  } catch (error) {
    // Where nobody listens nothing was begun. Any other way to break off leaves open what became of it.
    const isNothing = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
    return isNothing || act.kind === 'get' ? undefined : { act, begin }
  }
  const end = performance.now()
  const { status } = reply
  if (status === 503) return act.kind === 'get' ? undefined : { act, begin }
  const outcome = act.kind === 'get' ? outcomeOfGet(reply) : String(status)
  if (!OUTCOMES[act.kind].includes(status))
    throw new Error(`${JSON.stringify(act)} was answered ${status}: ${reply.text}`)
  return { act, begin, end, outcome }
}

const OUTCOMES: Readonly<Record<Act['kind'], readonly number[]>> = {
  get: [200, 404],
  put: [200, 404, 412],
  delete: [204, 412],
}

function send(client: Client, path: string, act: Act, body: Uint8Array): Promise<Reply> {
  if (act.kind === 'get') return client.send('GET', path)
  const { only } = act
  const headers: Record<string, string> =
    only === undefined
      ? {}
      : only === 'absent'
        ? { 'If-None-Match': '*' }
        : { 'If-Match': `"${only.etag}"` }
  if (act.kind === 'delete') return client.send('DELETE', path, { headers })
  return client.send('PUT', path, { headers, body })
}

/** Rejects a body that is not the one its ETag names. */
function outcomeOfGet({ status, headers, body }: Reply): string {
  if (status !== 200) return foundOutcome(ABSENT)
  const etag = headers.etag?.replaceAll('"', '') ?? ''
  if (md5(body) !== etag) throw new Error(`the bytes of another object came under ETag ${etag}`)
  return foundOutcome(etag)
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

function below(bound: number): number {
  return Math.floor(Math.random() * bound)
}

/** By key. */
export function byKey(history: readonly Seen[]): ReadonlyMap<string, readonly Seen[]> {
  return Map.groupBy(history, ({ key }) => key)
}
