/** What a lifecycle round over many keys does to requests: GETs of another bucket before it, beside it and after it. */
import { createHash } from 'node:crypto'
import { type Figures, median } from './figures.ts'
import { measure, type Server } from './small.ts'
import { ask, load } from './wire.ts'

const KEYS = 500
const WINDOW = 4000
const CONNECTIONS = 4
/** A round that has not begun to delete by then has not begun. */
const BEGIN_MS = 30_000

/** Rules that delete all keys of `bucket` (all of them are older than the date). */
const EXPIRE_ALL =
  '<LifecycleConfiguration><Rule><ID>all</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>' +
  '<Expiration><Date>2020-01-01T00:00:00.000Z</Date></Expiration></Rule></LifecycleConfiguration>'

/** `bucket` holds `count` keys; the gateway looks at rules each second. */
export async function lifecycleWork(
  server: Server,
  bucket: string,
  count: number,
  windows: number,
): Promise<Figures[]> {
  const { site } = server
  const body = new Uint8Array(4096).fill(97)
  const sha256 = createHash('sha256').update(body).digest('hex')
  const puts = Array.from({ length: KEYS }, (_, i) =>
    ask(site, 'PUT', `/bench/read-${i}`, { body, sha256 }),
  )
  await load(site, [ask(site, 'PUT', '/bench')], 1, 200)
  await load(site, puts, CONNECTIONS, 200)
  const gets = Array.from({ length: WINDOW }, (_, i) => ask(site, 'GET', `/bench/read-${i % KEYS}`))
  const reading = (work: string): Promise<Figures> => measure(server, work, gets, CONNECTIONS, 200)
  await reading('warming up')
  const figures: Figures[] = []
  for (let i = 0; i < windows; i++) figures.push(await reading('GET 4 KiB, no lifecycle at work'))

  const rules = Buffer.from(EXPIRE_ALL)
  const md5 = createHash('md5').update(rules).digest('base64')
  const put = ask(site, 'PUT', `/${bucket}?lifecycle=`, {
    body: rules,
    headers: { 'content-md5': md5 },
  })
  await load(site, [put], 1, 200)
  const began = await begun(server, bucket)
  const beside: Figures[] = []
  for (let i = 0; i < windows; i++)
    beside.push(await reading(`GET 4 KiB beside a round over ${count.toLocaleString('en')} keys`))
  const note = began ? {} : { note: 'the round had not begun' }
  return [median(figures), { ...median(beside), ...note }]
}

/** Waits until the first key is gone. */
async function begun({ site }: Server, bucket: string): Promise<boolean> {
  const until = performance.now() + BEGIN_MS
  const first = ask(site, 'GET', `/${bucket}/folder-0000/object-00000000`)
  while (performance.now() < until) {
    const isGone = await load(site, [first], 1, 404).then(
      () => true,
      () => false,
    )
    if (isGone) return true
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return false
}
