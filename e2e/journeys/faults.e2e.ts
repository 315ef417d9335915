/** Full disks, second processes, broken and lying clients: clear answers, nothing torn, nothing leaked. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { Client } from '../harness/client.ts'
import { type Gateway, memoryOf, startGateway } from '../harness/gateway.ts'
import { noise } from '../harness/tree.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

describe('a full disk', () => {
  const isRoot = process.getuid?.() === 0
  // Mounting a small file system takes root.
  test.skipIf(!isRoot)(
    'is a clear refusal, tears nothing, and ends when there is room',
    async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'sluice-full-'))
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', dataDir])
      try {
        await using gateway = await startGateway({ dataDir })
        using client = new Client(gateway)
        await client.ok('PUT', '/full')
        const body = noise(4 * 1024 * 1024, 1)
        const kept: string[] = []
        let refused = 0
        for (let i = 0; i < 20; i++) {
          const { status, text } = await client.send('PUT', `/full/large-${i}`, { body })
          if (status === 200) kept.push(`large-${i}`)
          else {
            refused++
            expect([503, 507]).toContain(status)
            expect(text).toContain('<Error>')
          }
        }
        expect(kept.length).toBeGreaterThan(3)
        expect(refused).toBeGreaterThan(3)
        // Small objects fill what is left, down to the last page of the database.
        const small = noise(4000, 2)
        let last = 200
        for (let i = 0; i < 4000 && last === 200; i++) {
          last = (await client.send('PUT', `/full/small-${i}`, { body: small })).status
          if (last === 200) kept.push(`small-${i}`)
        }
        expect([503, 507]).toContain(last)
        for (const key of kept)
          expect(
            (await client.ok('GET', `/full/${key}`)).body.equals(
              key.startsWith('large') ? body : small,
            ),
            key,
          ).toBe(true)
        await rm(join(dataDir, 'objects', 'tmp', 'nothing'), { force: true })
        execFileSync('mount', ['-o', 'remount,size=256m', dataDir])
        await client.ok('PUT', '/full/again', { body })
        await client.ok('PUT', '/full/again-small', { body: small })
        expect((await client.ok('GET', '/full/again')).body.equals(body)).toBe(true)
        await gateway.kill()
        await using restarted = await startGateway({ dataDir })
        using again = new Client(restarted)
        for (const key of kept)
          expect((await again.ok('GET', `/full/${key}`)).body.length).toBe(
            key.startsWith('large') ? body.length : small.length,
          )
      } finally {
        execFileSync('umount', ['-l', dataDir])
        await rm(dataDir, { recursive: true, force: true })
      }
    },
  )
})

describe('one data folder, one gateway', () => {
  test('a second one is refused in one line with the pid of the first, and a kill frees it at once', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'sluice-second-'))
    let ordinaryMs = 0
    {
      await using first = await startGateway({ dataDir })
      ordinaryMs = first.readyMs
      const second = spawn(process.execPath, [MAIN, 'serve', '--data', dataDir, '--port', '0'], {
        stdio: ['ignore', 'pipe', 'pipe'],
        // None of the run's own variables, which it would warn of.
        env: { PATH: process.env['PATH'] },
      })
      let said = ''
      for (const stream of [second.stdout, second.stderr])
        stream.on('data', (text: Buffer) => (said += text.toString()))
      const [code] = (await once(second, 'close')) as [number]
      expect(code).not.toBe(0)
      expect(said).toContain(String(first.pid))
      expect(said.trim().split('\n')).toHaveLength(1)
      await first.kill()
    }
    await using third = await startGateway({ dataDir })
    expect(third.readyMs).toBeLessThan(Math.max(2000, 3 * ordinaryMs))
    await third.stop()
    await rm(dataDir, { recursive: true, force: true })
  })
})

/** Sends raw bytes on a connection of its own, and reads until the server closes it or `ms` have passed. */
async function raw(gateway: Gateway, text: string, ms = 1500): Promise<string> {
  const socket = connect(gateway.port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => {})
  socket.write(text, 'latin1')
  await Promise.race([once(socket, 'close'), new Promise((resolve) => setTimeout(resolve, ms))])
  socket.destroy()
  return Buffer.concat(chunks).toString('latin1')
}

describe('clients that lie or break off', () => {
  test('malformed requests get S3 errors, and the gateway goes on', async () => {
    await using gateway = await startGateway()
    using client = new Client(gateway)
    await client.ok('PUT', '/bkt')
    expect(await raw(gateway, 'NONSENSE\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    expect(
      await raw(gateway, `GET /bkt HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`),
    ).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(
      await raw(
        gateway,
        'PUT /bkt/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      ),
    ).toMatch(/^HTTP\/1\.1 400 /)
    expect(
      await raw(gateway, 'PUT /bkt/k HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'),
    ).toMatch(/^HTTP\/1\.1 400 /)
    expect(await raw(gateway, 'GET /bkt/k HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 403 [\s\S]*<Code>AccessDenied<\/Code>/,
    )
    // That there is no such bucket is for everybody to know, as on S3.
    expect(await raw(gateway, 'GET /docs-of-mine/x HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 404 [\s\S]*<Code>NoSuchBucket<\/Code>/,
    )
    expect((await client.send('GET', '/bkt/k')).status).toBe(404)
    await client.ok('PUT', '/bkt/k', { body: 'alive' })
  })

  test('wrong hashes, checksums and lengths store nothing', async () => {
    await using gateway = await startGateway()
    using client = new Client(gateway)
    await client.ok('PUT', '/bkt')
    const refusals: readonly (readonly [Record<string, string>, string])[] = [
      [{ 'X-Amz-Content-Sha256': '0'.repeat(64) }, 'XAmzContentSHA256Mismatch'],
      [{ 'X-Amz-Content-Sha256': 'rubbish' }, 'Invalid'],
      [{ 'Content-MD5': 'AAAAAAAAAAAAAAAAAAAAAA==' }, 'BadDigest'],
      [{ 'Content-MD5': 'short' }, 'InvalidDigest'],
      [{ 'x-amz-checksum-crc32': 'AAAAAA==' }, 'BadDigest'],
      // InvalidRequest with `compat: aws-2026`.
      [{ 'x-amz-checksum-sha256': 'AAAAAA==' }, 'BadDigest'],
    ]
    for (const size of [10, 2_000_000])
      for (const [headers, code] of refusals) {
        const { status, text } = await client.send('PUT', '/bkt/refused', {
          body: noise(size, 1),
          headers,
        })
        expect(status, code).toBe(400)
        expect(text).toContain(`<Code>${code}`)
        expect((await client.send('HEAD', '/bkt/refused')).status).toBe(404)
      }
    expect(await blobs(gateway)).toBe(0)
  })

  test('hundreds of uploads that break off leave no file and no memory behind', async () => {
    await using gateway = await startGateway()
    using client = new Client(gateway)
    await client.ok('PUT', '/bkt')
    await client.ok('PUT', '/bkt/warm', { body: noise(2_000_000, 1) })
    const before = (await memoryOf(gateway.pid)).rss
    const signed = 'PUT /bkt/broken HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n'
    await raw(gateway, signed, 200)
    for (let round = 0; round < 20; round++)
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const upload = client.send('PUT', '/bkt/broken', {
            body: noise(1000, 1),
            headers: { 'Content-Length': '9000000', 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' },
          })
          const socketEnd = new Promise<void>((resolve) => setTimeout(resolve, 60))
          await Promise.race([upload.catch(() => {}), socketEnd])
        }),
      )
    client[Symbol.dispose]()
    await new Promise((resolve) => setTimeout(resolve, 500))
    using after = new Client(gateway)
    expect((await after.send('HEAD', '/bkt/broken')).status).toBe(404)
    expect(await readdir(join(gateway.dataDir, 'objects', 'tmp')).catch(() => [])).toEqual([])
    expect((await memoryOf(gateway.pid)).rss - before).toBeLessThan(150e6)
  })

  test('a sub-resource never passes for the object or the bucket, with a handler and without, with and without a slash behind the bucket', async () => {
    await using gateway = await startGateway()
    using client = new Client(gateway)
    await client.ok('PUT', '/bkt')
    await client.ok('PUT', '/bkt/k', { body: 'stay' })
    const dangerous: readonly (readonly [string, string])[] = [
      ['PUT', '/bkt/k?tagging'],
      ['DELETE', '/bkt/k?tagging'],
      ['PUT', '/bkt/k?retention'],
      ['PUT', '/bkt/k?legal-hold'],
      ['PUT', '/bkt/k?annotation'],
      ['DELETE', '/bkt?policy'],
      ['DELETE', '/bkt/?policy'],
      ['DELETE', '/bkt?tagging'],
      ['DELETE', '/bkt/?lifecycle'],
      ['DELETE', '/bkt?cors'],
      ['DELETE', '/bkt/?website'],
      ['DELETE', '/bkt?encryption'],
      ['DELETE', '/bkt/?ownershipControls'],
      ['PUT', '/bkt/?policy'],
      ['PUT', '/bkt?lifecycle'],
      ['POST', '/bkt/k?restore'],
      ['POST', '/bkt/k?select&select-type=2'],
      ['PUT', '/bkt/k?no-such-thing=&acl=&tagging='],
    ]
    for (const [method, path] of dangerous) {
      const { status } = await client.send(method, path, { body: '<x/>' })
      // What has a handler may well delete what is not there; nothing else succeeds with such a body.
      if (method !== 'DELETE') expect(status, `${method} ${path}`).toBeGreaterThanOrEqual(400)
      expect((await client.ok('GET', '/bkt/k')).text, `${method} ${path}`).toBe('stay')
    }
    const headers = { 'x-amz-request-route': 'r', 'x-amz-request-token': 't' }
    const { status } = await client.send('POST', '/WriteGetObjectResponse', { headers })
    expect(status).toBe(501)
  })
})

/** Files that hold blobs. */
async function blobs({ dataDir }: Gateway): Promise<number> {
  const entries = await readdir(join(dataDir, 'objects'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile() && /^[0-9A-HJKMNP-TV-Z]{26}$/.test(entry.name))
    .length
}
