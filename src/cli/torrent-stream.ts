/**
 * `sluice torrent stream ID [FILE]`: a file of a torrent to standard output, in order, while it is
 * downloaded or afterwards. Where the gateway has nothing yet, or the answer breaks off, it is asked again
 * for the rest.
 */
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import type { FileStatus } from '../torrent/held-torrent.ts'
import type { Invocation } from './commands.ts'
import { targetOfFlags } from './gateway-target.ts'
import { Interruption } from './interruption.ts'
import { openSigned, wholeOf } from './signed-request.ts'
import { TorrentAdmin, type TorrentDetails, whyNot } from './torrent-admin.ts'

/** In a row, without a byte between them. */
const FAILURES_MAX = 20
const RETRY_MS = 1000
const TIMEOUT_MS = 120_000

export async function stream({ operands, flags }: Invocation): Promise<number> {
  const [word = '', file] = operands
  const admin = new TorrentAdmin(await targetOfFlags(flags, process.env))
  const torrent = await admin.get(await admin.find(word))
  const { key, sizeBytes } = fileOf(torrent, file)
  using interruption = new Interruption('interrupted')
  const path = `/${torrent.bucket}/${key.split('/').map(encodeURIComponent).join('/')}`
  let sent = 0
  for (let failures = 0; sent < sizeBytes;) {
    const before = sent
    try {
      for await (const chunk of await open(admin, path, sent, interruption.signal)) {
        await write(chunk as Buffer)
        sent += (chunk as Buffer).length
      }
    } catch (error) {
      interruption.signal.throwIfAborted()
      if (error instanceof MaintenanceError) throw error
    }
    failures = sent > before ? 0 : failures + 1
    if (failures >= FAILURES_MAX)
      throw new MaintenanceError(`nothing more comes of ${key}: sluice torrent ls says why`)
    if (sent < sizeBytes) await sleep(RETRY_MS, undefined, { signal: interruption.signal })
  }
  return 0
}

/** Rejects with MaintenanceError where asking again would not help. */
async function open(
  { target }: TorrentAdmin,
  path: string,
  start: number,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const headers = { range: `bytes=${start}-` }
  const answer = await openSigned(target, {
    method: 'GET',
    path,
    headers,
    timeoutMs: TIMEOUT_MS,
    signal,
  })
  const { statusCode = 0 } = answer
  if (statusCode === 206) return answer
  const { body } = await wholeOf(answer)
  if (statusCode >= 500) throw new Error(`the gateway answered ${statusCode}`)
  throw new MaintenanceError(whyNot(body.toString(), statusCode))
}

/** The file that is named by index or path; without a name the largest of those that are wanted. */
function fileOf({ fileList, state }: TorrentDetails, word: string | undefined): FileStatus {
  if (state === 'metadata')
    throw new MaintenanceError('its files are not known yet: no peer has told them')
  const wanted = fileList.filter(({ isWanted }) => isWanted)
  const found =
    word === undefined
      ? wanted.toSorted((a, b) => b.sizeBytes - a.sizeBytes)[0]
      : (wanted.find(({ path }) => path === word) ??
        wanted.find(({ index }) => String(index) === word))
  if (found !== undefined) return found
  throw new MaintenanceError(
    `the torrent has no wanted file ${word}; sluice torrent files shows them`,
  )
}

function write(chunk: Uint8Array): Promise<void> {
  return new Promise((done, fail) => {
    process.stdout.write(chunk, (error) =>
      error ? fail(new MaintenanceError(error.message)) : done(),
    )
  })
}
