/**
 * BitTorrent clients of others, each of one torrent on 127.0.0.1, without DHT, LSD, PEX and port mapping. One
 * that finds the data in its folder checks and serves it; one that does not, downloads it and then serves it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { TorrentVersion } from '../../src/torrent/create-metainfo.ts'

export interface Place {
  readonly torrent: string
  /** Where the data is, or goes. */
  readonly folder: string
  /** Its own affairs. */
  readonly home: string
  readonly port: number
}

export interface Client {
  readonly name: string
  /** Why it is not tried with torrents of a version. */
  readonly without: Partial<Record<TorrentVersion, string>>
  start(place: Place): ChildProcess
}

const NO_V2 = { v2: 'knows version 1 alone' }

function quietly(
  program: string,
  words: readonly string[],
  env: Record<string, string> = {},
): ChildProcess {
  return spawn(program, words, {
    // An open input: some end when theirs does.
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...process.env, TERM: 'dumb', ...env },
  })
}

const libtorrent: Client = {
  name: 'python3-libtorrent',
  without: {},
  start({ torrent, folder, port }) {
    const script = fileURLToPath(new URL('peer.py', import.meta.url))
    return quietly('/usr/bin/python3', [script, 'seed', torrent, folder], { PORT: String(port) })
  },
}

const aria2: Client = {
  name: 'aria2',
  without: { ...NO_V2, hybrid: 'makes a wrong info hash of it' },
  start({ torrent, folder, port }) {
    const off = ['enable-dht', 'enable-dht6', 'bt-enable-lpd', 'enable-peer-exchange']
    return quietly('aria2c', [
      ...off.map((name) => `--${name}=false`),
      '--no-conf=true',
      '--quiet=true',
      '--check-integrity=true',
      '--allow-overwrite=true',
      '--seed-ratio=0.0',
      '--interface=127.0.0.1',
      `--listen-port=${port}`,
      `--dir=${folder}`,
      torrent,
    ])
  },
}

const rtorrent: Client = {
  name: 'rtorrent',
  without: NO_V2,
  start({ torrent, folder, home, port }) {
    const settings = [
      'system.daemon.set=true',
      `session.path.set=${home}`,
      `directory.default.set=${folder}`,
      'network.bind_address.set=127.0.0.1',
      `network.port_range.set=${port}-${port}`,
      'network.port_random.set=no',
      'dht.mode.set=disable',
      'protocol.pex.set=no',
      'protocol.encryption.set=allow_incoming,try_outgoing',
      `schedule2=load,0,0,load.start=${torrent}`,
    ]
    return quietly('rtorrent', ['-n', ...settings.flatMap((setting) => ['-o', setting])])
  },
}

const qbittorrent: Client = {
  name: 'qbittorrent-nox',
  without: {},
  start({ torrent, folder, home, port }) {
    const config = join(home, 'qBittorrent', 'config')
    mkdirSync(config, { recursive: true })
    const session = {
      Port: port,
      InterfaceAddress: '127.0.0.1',
      DHTEnabled: false,
      LSDEnabled: false,
      PeXEnabled: false,
      MultiConnectionsPerIp: true,
      QueueingSystemEnabled: false,
    }
    const lines = [
      '[LegalNotice]',
      'Accepted=true',
      '[Network]',
      'PortForwardingEnabled=false',
      '[Preferences]',
      'WebUI\\Enabled=false',
      '[BitTorrent]',
      ...Object.entries(session).map(([name, value]) => `Session\\${name}=${value}`),
    ]
    writeFileSync(join(config, 'qBittorrent.conf'), `${lines.join('\n')}\n`)
    const words = [`--profile=${home}`, `--save-path=${folder}`, '--skip-dialog=true', torrent]
    return quietly('qbittorrent-nox', words, { HOME: home })
  },
}

const transmission: Client = {
  name: 'transmission-cli',
  without: NO_V2,
  start({ torrent, folder, home, port }) {
    const settings = {
      'bind-address-ipv4': '127.0.0.1',
      'dht-enabled': false,
      'lpd-enabled': false,
      'pex-enabled': false,
      'utp-enabled': false,
      'port-forwarding-enabled': false,
    }
    writeFileSync(join(home, 'settings.json'), JSON.stringify(settings))
    const words = ['-g', home, '-w', folder, '-p', String(port), '-M', torrent]
    return quietly('transmission-cli', words, { HOME: home })
  },
}

export const CLIENTS: readonly Client[] = [libtorrent, aria2, rtorrent, qbittorrent, transmission]

/** Waits until somebody listens there. */
export async function listens(port: number, patienceMs: number): Promise<void> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(100)) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isThere) return
  }
  throw new Error(`nobody listens on port ${port}`)
}
