/**
 * The two paths of a BitTorrent tracker, `/announce` and `/scrape` (BEP 3, BEP 48), for requests that
 * name an info hash: no request of S3 does, so buckets of these names can be used all the same.
 * (Other paths would not do: libtorrent asks trackers of its own machine for `/announce` alone.)
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What answers there: the query as on the wire, without the question mark; answers are bencoded. */
export interface TrackerDesk {
  announce(query: string, address: string): Uint8Array
  scrape(query: string): Uint8Array
}

export const ANNOUNCE_PATH = '/announce'
const SCRAPE_PATH = '/scrape'
const NAMES_HASH = /(?:^|&)info_hash=/

/** Whether a request is the tracker's. */
export function isTrackers(method: string | undefined, url: string): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  const question = url.indexOf('?')
  if (question !== ANNOUNCE_PATH.length && question !== SCRAPE_PATH.length) return false
  const path = url.slice(0, question)
  if (path !== ANNOUNCE_PATH && path !== SCRAPE_PATH) return false
  return NAMES_HASH.test(url.slice(question + 1))
}

/** Answers a request that is the tracker's; false: it is not, and nothing was done. */
export function answerTracker(
  desk: TrackerDesk,
  { method, url = '', socket }: IncomingMessage,
  response: ServerResponse,
): boolean {
  if (!isTrackers(method, url)) return false
  const question = url.indexOf('?')
  const path = url.slice(0, question)
  const query = url.slice(question + 1)
  const answer =
    path === ANNOUNCE_PATH ? desk.announce(query, socket.remoteAddress ?? '') : desk.scrape(query)
  const headers = { 'content-type': 'text/plain', 'content-length': answer.length }
  response.writeHead(200, headers).end(answer)
  return true
}
