import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { answerTracker, type TrackerDesk } from './tracker-paths.ts'

const asked: string[] = []
const DESK: TrackerDesk = {
  announce(query, address) {
    asked.push(`announce ${query} ${address}`)
    return Buffer.from('de')
  },
  scrape(query) {
    asked.push(`scrape ${query}`)
    return Buffer.from('d5:filesdee')
  },
}

test('the tracker answers at its two paths, and nothing else is its own', async () => {
  const server = createServer((request, response) => {
    if (!answerTracker(DESK, request, response)) response.writeHead(418).end()
  }).listen(0, '127.0.0.1')
  try {
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const ask = async (path: string, method = 'GET'): Promise<[number, string]> => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method })
      return [answer.status, await answer.text()]
    }
    expect(await ask('/announce?info_hash=%12%34&port=1')).toEqual([200, 'de'])
    expect(await ask('/scrape?x=1&info_hash=a')).toEqual([200, 'd5:filesdee'])
    // Not decoded: an info hash is no text.
    expect(asked).toEqual(['announce info_hash=%12%34&port=1 127.0.0.1', 'scrape x=1&info_hash=a'])
    for (const path of [
      '/',
      '/announce',
      '/announce?list-type=2',
      '/announce/?info_hash=a',
      '/announcex?info_hash=a',
      '/b/announce?info_hash=a',
      '/scrape?my_info_hash=a',
    ])
      expect((await ask(path))[0]).toBe(418)
    expect((await ask('/announce?info_hash=a', 'POST'))[0]).toBe(418)
  } finally {
    server.close()
  }
})
