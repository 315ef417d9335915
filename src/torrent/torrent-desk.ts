/**
 * A session as administrators see it: requests out of JSON, answers into it, errors as S3 tells them, and
 * what changes as server-sent events.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { S3Error } from '../api/error.ts'
import type { Body } from '../lib/stream.ts'
import type { Choice } from './file-names.ts'
import { TorrentError } from './metainfo.ts'
import type { TorrentSession } from './session.ts'
import type { AddRequest } from './torrent-input.ts'

type Fields = Readonly<Record<string, unknown>>

/** Torrents are looked at so often for those who follow. */
const LOOK_MS = 1000
/** Who follows hears something so often, so that whoever is between does not close the connection. */
const HEARTBEAT_LOOKS = 15
const PEERS_MAX = 100
const FILES_MAX = 100_000

export class SessionDesk {
  readonly #session: TorrentSession
  readonly #lookMs: number

  constructor(session: TorrentSession, lookMs: number = LOOK_MS) {
    this.#session = session
    this.#lookMs = lookMs
  }

  list(): readonly object[] {
    return this.#session.list()
  }

  get(id: string): object {
    return this.#session.status(id)
  }

  async add(
    fields: Fields,
    torrent: Uint8Array | undefined,
  ): Promise<{ readonly isNew: boolean; readonly torrent: object }> {
    const request = requestOf(fields, torrent)
    const { isNew, status } = await told(() => this.#session.add(request))
    return { isNew, torrent: status }
  }

  async change(id: string, fields: Fields): Promise<object> {
    refuseStrangers(fields, ['files'])
    if (fields['files'] === undefined) throw bad('files is what can be changed')
    return told(() => this.#session.setWanted(id, choiceOf(fields['files'])))
  }

  async remove(id: string, data: boolean): Promise<void> {
    await told(() => this.#session.remove(id, data))
  }

  async scrub(id: string): Promise<object> {
    return told(() => this.#session.scrub(id))
  }

  /** First every torrent, then each again when something of it changes. */
  async *events(signal: AbortSignal): Body {
    const ending = AbortSignal.any([signal, this.#session.ending])
    const encoder = new TextEncoder()
    let sent = new Map<string, string>()
    let quiet = 0
    // So that the head of the answer goes out where there is nothing to tell.
    yield encoder.encode(': torrents\n\n')
    while (!ending.aborted) {
      const now = new Map(this.#session.list().map((each) => [each.id, JSON.stringify(each)]))
      const changed = [...now].filter(([id, text]) => sent.get(id) !== text)
      const removed = [...sent.keys()].filter((id) => !now.has(id))
      const events = [
        ...changed.map(([, text]) => `event: torrent\ndata: ${text}\n\n`),
        ...removed.map((id) => `event: removed\ndata: ${JSON.stringify({ id })}\n\n`),
      ].join('')
      sent = now
      quiet = events === '' ? quiet + 1 : 0
      if (events !== '') yield encoder.encode(events)
      else if (quiet % HEARTBEAT_LOOKS === 0) yield encoder.encode(': nothing new\n\n')
      await sleep(this.#lookMs, undefined, { signal: ending }).catch(() => undefined)
    }
  }
}

const REQUEST = ['torrent', 'bucket', 'prefix', 'files', 'peers', 'seed', 'overwrite']

function requestOf(fields: Fields, bytes: Uint8Array | undefined): AddRequest {
  refuseStrangers(fields, REQUEST)
  const { torrent, bucket, prefix = '', files, peers = [], seed, overwrite = false } = fields
  if (bytes === undefined && (typeof torrent !== 'string' || torrent === ''))
    throw bad('torrent is a magnet link, the URL of a .torrent file, or s3://bucket/key')
  if (typeof bucket !== 'string' || bucket === '')
    throw bad('bucket is missing: where the files go')
  if (typeof prefix !== 'string') throw bad('prefix is no text')
  if (!isTexts(peers) || peers.length > PEERS_MAX)
    throw bad(`peers is a list of up to ${PEERS_MAX} addresses, host:port`)
  if (seed !== undefined && typeof seed !== 'boolean') throw bad('seed is true or false')
  if (typeof overwrite !== 'boolean') throw bad('overwrite is true or false')
  return {
    torrent: bytes ?? (torrent as string),
    bucket,
    prefix: prefix.replace(/^\/+/, ''),
    files: choiceOf(files),
    peers,
    seeds: seed,
    overwrite,
  }
}

function choiceOf(files: unknown): Choice | undefined {
  if (files === undefined || files === null) return undefined
  const isList =
    Array.isArray(files) &&
    files.length <= FILES_MAX &&
    files.every((each) => typeof each === 'string' || Number.isSafeInteger(each))
  if (!isList) throw bad('files is a list of indices, ranges (2-5), paths and folders (extras/)')
  return files as Choice
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function refuseStrangers(fields: Fields, known: readonly string[]): void {
  const stranger = Object.keys(fields).find((name) => !known.includes(name))
  if (stranger !== undefined)
    throw bad(`${stranger.slice(0, 50)} is not known; there are ${known.join(', ')}`)
}

function bad(message: string): S3Error {
  return new S3Error('InvalidArgument', { message })
}

/** What is wrong with a torrent is the client's to mend. */
async function told<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof TorrentError)) throw error
    throw new S3Error('InvalidRequest', { message: error.message, cause: error })
  }
}
