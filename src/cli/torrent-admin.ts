/** The administration of torrents of a running gateway, as commands ask for it. */
import type { IncomingMessage } from 'node:http'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import type { FileStatus, TorrentStatus } from '../torrent/held-torrent.ts'
import { type Asked, openSigned, type Target, wholeOf } from './signed-request.ts'

export type TorrentDetails = TorrentStatus & { readonly fileList: readonly FileStatus[] }

/** What the gateway tells to who follows. */
export type TorrentNews =
  | { readonly kind: 'torrent'; readonly torrent: TorrentStatus }
  | { readonly kind: 'removed'; readonly id: string }

/** Scrubbing and removing take as long as there are bytes. */
const TIMEOUT_MS = 600_000
const PLACE = '/_admin/torrents'
/** Who follows hears something every 15 seconds. */
const FOLLOW_TIMEOUT_MS = 60_000
const NAME_LENGTH_MIN = 4

export class TorrentAdmin {
  readonly target: Target

  constructor(target: Target) {
    this.target = target
  }

  async list(): Promise<readonly TorrentStatus[]> {
    const { torrents } = (await this.#ask({ method: 'GET', path: PLACE })) as {
      readonly torrents: readonly TorrentStatus[]
    }
    return torrents
  }

  async get(id: string): Promise<TorrentDetails> {
    return (await this.#ask({ method: 'GET', path: `${PLACE}/${id}` })) as TorrentDetails
  }

  /** The whole id for the beginning of one, or for a name that only one torrent has. */
  async find(word: string): Promise<string> {
    if (/^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(word)) return word.toLowerCase()
    const all = await this.list()
    const isMeant = ({ id, name }: TorrentStatus): boolean =>
      name === word || (word.length >= NAME_LENGTH_MIN && id.startsWith(word.toLowerCase()))
    const found = all.filter(isMeant)
    if (found.length === 1) return found[0]!.id
    throw new MaintenanceError(
      found.length === 0
        ? `there is no torrent ${word}; sluice torrent ls shows them`
        : `${word} may be ${found.map(({ id }) => id.slice(0, 12)).join(' or ')}`,
    )
  }

  async add(
    request: Readonly<Record<string, unknown>>,
    torrent: Uint8Array | undefined,
  ): Promise<TorrentStatus> {
    if (torrent === undefined) {
      const headers = { 'content-type': 'application/json' }
      const body = JSON.stringify(request)
      return (await this.#ask({ method: 'POST', path: PLACE, body, headers })) as TorrentStatus
    }
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(request))
      if (value !== undefined) query.set(name, textOf(value))
    const headers = { 'content-type': 'application/x-bittorrent' }
    // As signatures have it: a space is %20.
    const path = `${PLACE}?${query.toString().replaceAll('+', '%20')}`
    return (await this.#ask({ method: 'POST', path, body: torrent, headers })) as TorrentStatus
  }

  async setWanted(id: string, files: readonly string[] | null): Promise<TorrentStatus> {
    const body = JSON.stringify({ files })
    return (await this.#ask({ method: 'PATCH', path: `${PLACE}/${id}`, body })) as TorrentStatus
  }

  async remove(id: string, data: boolean): Promise<void> {
    await this.#ask({ method: 'DELETE', path: `${PLACE}/${id}${data ? '?data=true' : ''}` })
  }

  async scrub(id: string): Promise<{ readonly pieces: number; readonly damaged: number }> {
    const answer = await this.#ask({ method: 'POST', path: `${PLACE}/${id}/scrub` })
    return answer as { readonly pieces: number; readonly damaged: number }
  }

  /** What changes, from what there is now on, until the signal; rejects where the gateway ends. */
  async *follow(signal: AbortSignal): AsyncGenerator<TorrentNews, void, undefined> {
    const path = `${PLACE}/events`
    const answer = await this.#open({ method: 'GET', path, timeoutMs: FOLLOW_TIMEOUT_MS, signal })
    answer.setEncoding('utf8')
    let text = ''
    for await (const chunk of answer) {
      text += chunk as string
      const events = text.split('\n\n')
      text = events.pop()!
      for (const event of events) {
        const news = newsOf(event)
        if (news !== undefined) yield news
      }
    }
  }

  async #ask(asked: Asked): Promise<unknown> {
    const { body } = await wholeOf(await this.#open(asked))
    return body.length === 0 ? undefined : (JSON.parse(body.toString()) as unknown)
  }

  async #open(asked: Asked): Promise<IncomingMessage> {
    const { endpoint } = this.target
    let answer: IncomingMessage
    try {
      answer = await openSigned(this.target, { timeoutMs: TIMEOUT_MS, ...asked })
    } catch (error) {
      if (asked.signal?.aborted === true) throw error
      const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message
      throw new MaintenanceError(`no gateway answers at ${endpoint} (${why}): is it running?`)
    }
    const { statusCode = 0 } = answer
    if (statusCode < 300) return answer
    const { body } = await wholeOf(answer)
    throw new MaintenanceError(whyNot(body.toString(), statusCode))
  }
}

/** What an answer of S3 says that is wrong, for people. */
export function whyNot(xml: string, status: number): string {
  const code = /<Code>([^<]*)<\/Code>/.exec(xml)?.[1]
  const message = /<Message>([^<]*)<\/Message>/.exec(xml)?.[1]
  if (code === 'AccessDenied')
    return 'access denied: torrents are for administrators (admin: true in the configuration)'
  return message === undefined ? `the gateway answered ${status}` : unescaped(message)
}

function unescaped(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&')
}

/** Lists with commas. */
function textOf(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : `${value as string | boolean}`
}

function newsOf(event: string): TorrentNews | undefined {
  const name = /^event: (.*)$/m.exec(event)?.[1]
  const data = /^data: (.*)$/m.exec(event)?.[1]
  if (data === undefined) return undefined
  if (name === 'torrent') return { kind: 'torrent', torrent: JSON.parse(data) as TorrentStatus }
  if (name !== 'removed') return undefined
  return { kind: 'removed', id: (JSON.parse(data) as { readonly id: string }).id }
}
