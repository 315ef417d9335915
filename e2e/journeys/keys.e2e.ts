/** Any key of 1 to 1,024 bytes of UTF-8 is a key of its own: it round-trips, and coexists with all others. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Client } from '../harness/client.ts'
import { startGateway } from '../harness/gateway.ts'

/** Neighbours that file systems, SQL and URLs confuse. */
const CLASHES = [
  ['a', 'a/', 'a/b', 'a//b', '/a', '//a', 'a/../a', 'a/.', './a', '..', '.', '/', '//'],
  ['A', 'a ', ' a', 'a+', 'a%20', 'a%2B', 'a%2F', 'a%', '%00', 'a\\b', 'a\u0000', 'a\u0000b'],
  [
    '\u00e9',
    'e\u0301',
    '\ufb01',
    'fi',
    '\u{1f30a}',
    '\uffee',
    '\u0001',
    '\n',
    '\r\n',
    '\t',
    '\u007f',
    '\u2028',
  ],
  [
    'a_b',
    'a%b',
    'aXb',
    '.tmp.x',
    'x.tmp',
    'con',
    'nul',
    '~',
    '*',
    '?',
    '#',
    '&',
    '<',
    '>',
    '"',
    "'",
    '`',
    '|',
  ],
  [
    'x'.repeat(255),
    'x'.repeat(256),
    'x'.repeat(1024),
    `${'x'.repeat(1023)}y`,
    '\u6c34'.repeat(341),
  ],
].flat()

const encode = (key: string): string =>
  key
    .split('/')
    .map((part) =>
      encodeURIComponent(part).replace(
        /[!'()*]/g,
        (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
      ),
    )
    .join('/')

async function listAll(client: Client): Promise<string[]> {
  const keys: string[] = []
  for (let token = ''; ;) {
    const page = (await client.ok('GET', `/keys?encoding-type=url&list-type=2&max-keys=17${token}`))
      .text
    keys.push(
      ...[...page.matchAll(/<Key>(.*?)<\/Key>/gs)].map(([, key]) => decodeURIComponent(key!)),
    )
    const next = /<NextContinuationToken>(.*?)<\/NextContinuationToken>/.exec(page)?.[1]
    if (!next) return keys
    token = `&continuation-token=${encodeURIComponent(next)}`
  }
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

test.each([
  ['sqlite', 'fs'],
  ['memory', 'memory'],
])('on %s + %s', async (metadata, storage) => {
  await using gateway = await startGateway({ metadata, storage })
  using client = new Client(gateway)
  await client.ok('PUT', '/keys')
  const random = fc.sample(
    fc
      .string({ unit: 'binary', minLength: 1, maxLength: 60 })
      .filter((key) => key.isWellFormed() && Buffer.byteLength(key) <= 1024),
    { numRuns: 60, seed: 7 },
  )
  const keys = [...new Set([...CLASHES, ...random])].sort(byBytes)
  // A bare slash behind the bucket is the bucket itself; every other key can be written.
  const written = keys.filter((key) => key !== '')
  for (const key of written)
    await client.ok('PUT', `/keys/${encode(key)}`, { body: `body of ${key}` })
  expect(await listAll(client)).toEqual(written)
  for (const key of written)
    expect((await client.ok('GET', `/keys/${encode(key)}`)).text).toBe(`body of ${key}`)
  for (const [i, key] of written.entries())
    if (i % 2 === 0) await client.ok('DELETE', `/keys/${encode(key)}`)
  expect(await listAll(client)).toEqual(written.filter((_, i) => i % 2 === 1))
  expect((await client.send('PUT', `/keys/${'x'.repeat(1025)}`, { body: '' })).text).toContain(
    '<Code>KeyTooLongError</Code>',
  )
})
