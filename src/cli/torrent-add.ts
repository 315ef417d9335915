/**
 * `sluice torrent add`: what is named goes to the running gateway, a .torrent file as its bytes. With --wait
 * it is followed until it is done: exit code 1 where it ends with an error.
 */
import { readFile } from 'node:fs/promises'
import { MaintenanceError } from '../maintain/maintenance-error.ts'
import type { TorrentStatus } from '../torrent/held-torrent.ts'
import { type Flags, type Invocation, UsageError } from './commands.ts'
import { targetOfFlags } from './gateway-target.ts'
import { Interruption } from './interruption.ts'
import { bytesText, counted } from './progress-bar.ts'
import { Screen } from './screen.ts'
import { TorrentAdmin } from './torrent-admin.ts'
import { plain, torrentLine } from './torrent-lines.ts'

const LINK = /^(magnet:|https?:\/\/|s3:\/\/)/i

export async function add({ operands, flags, json }: Invocation): Promise<number> {
  const [torrent = ''] = operands
  const request = requestOf(flags)
  const bytes = LINK.test(torrent) ? undefined : await readTorrent(torrent)
  const admin = new TorrentAdmin(await targetOfFlags(flags, process.env))
  const added = await admin.add(bytes === undefined ? { torrent, ...request } : request, bytes)
  const last = flags['wait'] === undefined ? added : await waitFor(admin, added, json)
  process.stdout.write(`${json ? JSON.stringify(last) : closingLine(last)}\n`)
  return last.state === 'error' ? 1 : 0
}

function requestOf(flags: Flags): Readonly<Record<string, unknown>> {
  const { bucket, prefix, files, peer, overwrite } = flags
  if (bucket === undefined) throw new UsageError('torrent add needs --bucket: where the files go')
  const list = (text: string): string[] => text.split(',').filter((word) => word !== '')
  return {
    bucket,
    ...(prefix !== undefined && { prefix }),
    ...(files !== undefined && files !== 'all' && { files: list(files) }),
    ...(peer !== undefined && { peers: list(peer) }),
    ...(flags['no-seed'] !== undefined && { seed: false }),
    ...(overwrite !== undefined && { overwrite: true }),
  }
}

async function readTorrent(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new MaintenanceError(
      `${file} cannot be read (${code}); a torrent is a magnet link, a .torrent file, its URL, or s3://bucket/key`,
    )
  }
}

/** Resolves to the torrent as it is when it is done, or has failed. */
async function waitFor(
  admin: TorrentAdmin,
  { id }: TorrentStatus,
  json: boolean,
): Promise<TorrentStatus> {
  using interruption = new Interruption('interrupted: the gateway goes on downloading')
  using screen = new Screen(process.stderr)
  try {
    for await (const news of admin.follow(interruption.signal)) {
      if (news.kind === 'removed') {
        if (news.id === id) throw new MaintenanceError('the torrent was removed')
        continue
      }
      const { torrent } = news
      if (torrent.id !== id) continue
      if (!json && process.stderr.isTTY) screen.show([torrentLine(torrent)])
      if (torrent.doneAt !== undefined || torrent.state === 'error') return torrent
    }
  } catch (error) {
    interruption.signal.throwIfAborted()
    throw error
  }
  throw new MaintenanceError('the gateway has ended; the torrent goes on when it runs again')
}

/** What happened, and what to do next. */
function closingLine(torrent: TorrentStatus): string {
  const { id, name, state, problem, bucket, prefix, sizeBytes, files, doneAt } = torrent
  const short = id.slice(0, 12)
  const where = `s3://${bucket}/${prefix}`
  const what = plain(name)
  if (state === 'error') return `${what} cannot be downloaded: ${plain(problem ?? '')} (${short})`
  if (doneAt !== undefined)
    return `Done: ${what}, ${counted(files, 'object')} (${bytesText(sizeBytes)}) at ${where}; aws s3 ls --recursive ${where} shows them.`
  const size = files === 0 ? '' : `, ${counted(files, 'file')} (${bytesText(sizeBytes)})`
  return `Added ${what}${size} to ${where} as ${short}; sluice torrent ls shows how far it is.`
}
