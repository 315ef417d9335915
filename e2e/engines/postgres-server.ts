/**
 * A PostgreSQL server of one's own: made in a temporary folder, on a free port of 127.0.0.1, with a
 * password, durable as a real one. Where the machine has none, it is installed with apt-get; where that
 * cannot be done, the run fails and says so.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { freePort } from '../harness/free-port.ts'
import { aptInstall } from './installed.ts'

const PROGRAMS = ['initdb', 'pg_ctl', 'postgres']
const USER = 'sluice'
const PASSWORD = 'a password + odd/characters@'
const SETTINGS = ['listen_addresses=127.0.0.1', 'max_connections=300', 'log_min_messages=warning']

export interface PostgresServer extends AsyncDisposable {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** PEM file of the certificate that it shows to who asks for TLS. */
  readonly certificate: string
  /** An empty database's URL, credentials included. */
  createDatabase(): Promise<string>
  /** `immediate`: as a crash would. Both leave the data there. */
  stop(mode: 'fast' | 'immediate'): void
  /** With a setting of its own, `ssl=off`. */
  start(setting?: string): void
  /** What the server has logged. */
  log(): string
}

export async function startPostgres(): Promise<PostgresServer> {
  const programs = findPrograms()
  const root = mkdtempSync(join(tmpdir(), 'sluice-postgres-'))
  const data = join(root, 'data')
  const log = join(root, 'log')
  const passwordFile = join(root, 'password')
  writeFileSync(passwordFile, PASSWORD)
  chmodSync(passwordFile, 0o644)
  // The server refuses to run as root.
  const owner = process.getuid?.() === 0 ? 'postgres' : undefined
  if (owner) execute(['chown', owner, root])
  else chmodSync(root, 0o700)
  const run = (program: string, args: readonly string[]): void => {
    const command = [join(programs, program), ...args]
    execute(owner ? ['runuser', '-u', owner, '--', ...command] : command)
  }
  run('initdb', [
    `--pgdata=${data}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ])
  const certificate = makeCertificate(root, owner)
  const port = await freePort()
  const settings = [
    ...SETTINGS,
    'ssl=on',
    `ssl_cert_file=${certificate}`,
    `ssl_key_file=${certificate}.key`,
  ]
  const server = { host: '127.0.0.1', port, user: USER, password: PASSWORD }
  const start = (setting?: string): void => {
    const all = setting === undefined ? settings : [...settings, setting]
    const options = `-p ${port} -k ${root} ${all.map((setting) => `-c ${setting}`).join(' ')}`
    run('pg_ctl', ['-D', data, '-l', log, '-w', '-s', '-o', options, 'start'])
  }
  const stop = (mode: 'fast' | 'immediate'): void =>
    run('pg_ctl', ['-D', data, '-w', '-s', '-m', mode, 'stop'])
  start()
  return {
    ...server,
    certificate,
    createDatabase: () => createDatabase(urlOf(server, 'postgres')),
    stop,
    start,
    log: () => readFileSync(log, 'utf8'),
    async [Symbol.asyncDispose]() {
      if (existsSync(join(data, 'postmaster.pid'))) stop('immediate')
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** For 127.0.0.1, signed by itself; its key lies beside it. */
function makeCertificate(root: string, owner: string | undefined): string {
  const file = join(root, 'server.crt')
  const kind = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'
  const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', [...kind.split(' '), ...names, '-keyout', `${file}.key`, '-out', file], {
    stdio: 'ignore',
  })
  chmodSync(`${file}.key`, 0o600)
  if (owner) execute(['chown', owner, `${file}.key`])
  return file
}

/** Makes a database beside the one of the URL, with a name that sorts as no language does, and gives its URL. */
export async function createDatabase(url: string): Promise<string> {
  const name = `sluice_${randomUUID().replaceAll('-', '')}`
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await sql.unsafe(`create database ${name}`)
  } finally {
    await sql.end()
  }
  const made = new URL(url)
  made.pathname = `/${name}`
  return made.href
}

/** Of a database of the server. */
export function urlOf(
  { host, port, user, password }: Pick<PostgresServer, 'host' | 'port' | 'user' | 'password'>,
  database: string,
): string {
  return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`
}

/** Finds or installs what is needed; rejects where that cannot be. */
export async function preparePostgres(): Promise<void> {
  findPrograms()
}

/** The folder of the server's programs, which Debian keeps out of the PATH. */
function findPrograms(): string {
  const found = existing()
  if (found !== undefined) return found
  console.error('engines: installing postgresql with apt-get')
  aptInstall(['postgresql'])
  const installed = existing()
  if (installed === undefined)
    throw new Error(
      'PostgreSQL is not here and cannot be installed: install the package postgresql',
    )
  return installed
}

function existing(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian)
    ? readdirSync(debian).sort((a, b) => Number(b) - Number(a))
    : []
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ]
  return folders.find((folder) => PROGRAMS.every((name) => existsSync(join(folder, name))))
}

function execute(command: readonly string[]): void {
  const [program = '', ...args] = command
  // Not through a pipe: the server would keep it open.
  const { status, error } = spawnSync(program, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: '/',
  })
  if (status !== 0)
    throw new Error(`${command.join(' ')} ended with ${status}`, error && { cause: error })
}
