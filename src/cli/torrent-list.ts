/** `sluice torrent ls|files|rm|scrub`. */
import type { TorrentStatus } from '../torrent/held-torrent.ts'
import { type Invocation, UsageError } from './commands.ts'
import { targetOfFlags } from './gateway-target.ts'
import { Interruption } from './interruption.ts'
import { counted } from './progress-bar.ts'
import { Screen } from './screen.ts'
import { TorrentAdmin } from './torrent-admin.ts'
import { fileLine, plain, torrentLine } from './torrent-lines.ts'

export async function administer(invocation: Invocation): Promise<number> {
  const { action, operands, flags, json } = invocation
  const admin = new TorrentAdmin(await targetOfFlags(flags, process.env))
  const [word = ''] = operands
  if (action === 'ls')
    return flags['follow'] === undefined ? list(admin, json) : follow(admin, json)
  const id = await admin.find(word)
  if (action === 'files') return files(admin, id, flags['files'], json)
  if (action === 'rm') return remove(admin, id, flags['data'] !== undefined)
  return scrub(admin, id, json)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function list(admin: TorrentAdmin, json: boolean): Promise<number> {
  const torrents = await admin.list()
  if (json) say(JSON.stringify(torrents, null, 2))
  else if (torrents.length === 0)
    say('No torrents. sluice torrent add MAGNET --bucket NAME adds one.')
  else for (const torrent of torrents) say(torrentLine(torrent))
  return 0
}

async function follow(admin: TorrentAdmin, json: boolean): Promise<number> {
  using interruption = new Interruption('stopped')
  using screen = new Screen()
  const torrents = new Map<string, TorrentStatus>()
  try {
    for await (const news of admin.follow(interruption.signal)) {
      if (news.kind === 'removed') torrents.delete(news.id)
      else torrents.set(news.torrent.id, news.torrent)
      if (json) say(JSON.stringify(news))
      else screen.show([...torrents.values()].map(torrentLine))
    }
  } catch (error) {
    if (!interruption.signal.aborted) throw error
  }
  return 0
}

async function files(
  admin: TorrentAdmin,
  id: string,
  wanted: string | undefined,
  json: boolean,
): Promise<number> {
  if (wanted !== undefined) {
    const words = wanted.split(',').filter((word) => word !== '')
    if (words.length === 0) throw new UsageError('--files names no file; all of them: --files all')
    await admin.setWanted(id, wanted === 'all' ? null : words)
  }
  const { fileList, name, state } = await admin.get(id)
  if (json) say(JSON.stringify(fileList, null, 2))
  else if (state === 'metadata')
    say(`${plain(name)}: its files are not known yet: no peer has told them.`)
  else for (const file of fileList) say(fileLine(file))
  return 0
}

async function remove(admin: TorrentAdmin, id: string, data: boolean): Promise<number> {
  const { name, filesDone, bucket, prefix } = await admin.get(id)
  await admin.remove(id, data)
  const objects = counted(filesDone, 'object')
  say(
    data
      ? `Removed ${plain(name)} and its ${objects}.`
      : `Removed ${plain(name)}; its ${objects} stay at s3://${bucket}/${prefix}.`,
  )
  return 0
}

async function scrub(admin: TorrentAdmin, id: string, json: boolean): Promise<number> {
  const result = await admin.scrub(id)
  const { pieces, damaged } = result
  if (json) say(JSON.stringify(result))
  else if (damaged === 0) say(`Nothing is wrong: ${counted(pieces, 'piece')} compared.`)
  else
    say(
      `${counted(damaged, 'piece')} of ${pieces} damaged: they come from the swarm again (sluice torrent ls --follow).`,
    )
  return damaged === 0 ? 0 : 1
}
