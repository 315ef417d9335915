/**
 * A 200 means stable storage. Follows the gateway's system calls (strace) while one client writes: at the
 * moment when an answer goes out, every file below the data folder that was written has been synced since,
 * and so has every directory in which a file or folder appeared.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { Client, element } from '../harness/client.ts'
import { startGateway } from '../harness/gateway.ts'
import { noise } from '../harness/tree.ts'

const CALLS =
  'write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,ftruncate,fsync,fdatasync,rename,renameat,renameat2,openat,mkdir,mkdirat'
const METADATA = process.env['SLUICE_CRASH_METADATA'] ?? 'sqlite'
const PART = noise(5 * 1024 * 1024, 1)

beforeAll(() => {
  if (spawnSync('strace', ['-V']).status === 0) return
  const quiet = {
    stdio: 'ignore' as const,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }
  spawnSync('apt-get', ['update', '-qq'], quiet)
  if (spawnSync('apt-get', ['install', '-y', '-qq', 'strace'], quiet).status !== 0)
    throw new Error('strace is missing: install it (apt-get install strace)')
})

test('at every acknowledgement all that was written is on stable storage', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-power-'))
  const trace = join(dataDir, '..', `sluice-power-${process.pid}.trace`)
  try {
    await using gateway = await startGateway({ dataDir, metadata: METADATA })
    using client = new Client(gateway)
    await client.ok('PUT', '/before')
    const strace = await attach(gateway.pid, trace)
    const acknowledged = await writeEverything(client)
    strace.kill('SIGINT')
    await once(strace, 'exit')
    const { answers, syncs, faults } = audit(await readFile(trace, 'utf8'), dataDir)
    expect(faults).toEqual([])
    expect(answers).toBeGreaterThanOrEqual(acknowledged)
    expect(syncs).toBeGreaterThanOrEqual(acknowledged)
  } finally {
    await rm(dataDir, { recursive: true, force: true })
    await rm(trace, { force: true })
  }
})

async function attach(pid: number, file: string): Promise<ChildProcess> {
  const strace = spawn(
    'strace',
    ['-f', '-y', '-s', '16', '-e', `trace=${CALLS}`, '-o', file, '-p', String(pid)],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const [said] = (await once(strace.stderr, 'data')) as [Buffer]
  if (!said.toString().includes('attached'))
    throw new Error(`strace could not attach: ${said.toString()}`)
  await new Promise((resolve) => setTimeout(resolve, 300))
  return strace
}

/** One write of each kind, one after another; resolves to how many were acknowledged. */
async function writeEverything(client: Client): Promise<number> {
  const uploadOf = async (key: string): Promise<string> =>
    element((await client.ok('POST', `/bucket/${key}?uploads=`)).text, 'UploadId')
  await client.ok('PUT', '/bucket')
  await client.ok('PUT', '/bucket/small', { body: noise(2000, 2) })
  await client.ok('PUT', '/bucket/large', { body: noise(600_000, 3) })
  await client.ok('PUT', '/bucket/large', { body: noise(700_000, 4) })
  await client.ok('PUT', '/bucket/copy', { headers: { 'x-amz-copy-source': '/bucket/large' } })
  const uploadId = await uploadOf('parts')
  const part = await client.ok('PUT', `/bucket/parts?partNumber=1&uploadId=${uploadId}`, {
    body: PART,
  })
  const list = `<Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part>`
  await client.ok('POST', `/bucket/parts?uploadId=${uploadId}`, {
    body: `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`,
  })
  await client.ok('DELETE', `/bucket/gone?uploadId=${await uploadOf('gone')}`)
  await client.ok('DELETE', '/bucket/large')
  await client.ok('DELETE', '/bucket/small')
  return 11
}

interface Audit {
  readonly answers: number
  readonly syncs: number
  readonly faults: readonly string[]
}

/**
 * The files of SQLite in the metadata engine `sqlite`: an index of what is on stable storage in the log
 * beside them (`rows.db-log`), from which it is made again where a power failure takes it back. So it
 * may be behind when an answer goes out, and the log may not.
 */
function isIndex(path: string, dataDir: string): boolean {
  const file = join(dataDir, 'metadata', 'rows.db')
  return METADATA === 'sqlite' && (path === file || path === `${file}-wal`)
}

/** Replays the calls in their order; a write counts from its begin, a sync from its end. */
function audit(trace: string, dataDir: string): Audit {
  const dirty = new Map<string, string>()
  const begun = new Map<string, string>()
  const faults: string[] = []
  let answers = 0
  let syncs = 0
  const ours = (path: string): boolean =>
    path.startsWith(dataDir) &&
    path !== join(dataDir, 'objects', 'tmp') &&
    !/lock|-shm$/.test(path) &&
    !isIndex(path, dataDir)
  const appeared = (path: string, call: string): void => {
    const dir = dirname(path)
    if (ours(dir)) dirty.set(dir, call)
  }
  for (const line of trace.split('\n')) {
    const match = /^(\d+) +(.*)$/.exec(line)
    if (!match) continue
    const [, thread = '', text = ''] = match
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(text)
    const call = resumed ? (begun.get(thread) ?? '') + resumed[2] : text
    const isEnd = !text.endsWith('<unfinished ...>')
    if (!isEnd) begun.set(thread, text.replace(/<unfinished \.\.\.>$/, ''))
    const name = /^(\w+)\(/.exec(call)?.[1] ?? ''
    const path = /^\w+\(\d+<(.*?)>/.exec(call)?.[1] ?? ''
    if (name.endsWith('sync')) {
      if (isEnd && call.endsWith(' = 0')) {
        dirty.delete(path)
        syncs++
      }
    } else if (/write|truncate/.test(name) && ours(path) && !resumed) dirty.set(path, call)
    else if (
      /^(write|writev|send)/.test(name) &&
      path.startsWith('socket') &&
      !resumed &&
      call.includes('"HTTP/1.1 20')
    ) {
      answers++
      for (const [file, cause] of dirty)
        faults.push(`answered while ${file} was not synced after ${cause}`)
    } else if (isEnd && name.startsWith('rename') && call.endsWith(' = 0')) {
      const [from = '', to = ''] = [...call.matchAll(/"(.*?)"/g)].map(([, text]) => text)
      if (dirty.has(from)) dirty.set(to, dirty.get(from)!)
      dirty.delete(from)
      appeared(to, call)
    } else if (
      isEnd &&
      (name.startsWith('mkdir') || (name === 'openat' && call.includes('O_CREAT'))) &&
      !/ = -1/.test(call)
    ) {
      const made = /"(.*?)"/.exec(call)?.[1] ?? ''
      if (!made.startsWith(join(dataDir, 'objects', 'tmp'))) appeared(made, call)
    }
  }
  return { answers, syncs, faults }
}
