/** The processes of the cluster: a log's server and a node for each place, and the writers. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ended } from '../engines/process.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
/** Lines of a process that are kept, to be told where something fails. */
const LINES_KEPT = 40
/** A node that wants to be started again ends so. */
const AGAIN = 75

/** How a node stands, by its own word. */
export interface Status {
  /** Of the last entry that its log has acknowledged. */
  readonly index: number
  readonly term: number
  readonly applied: number
  /** How often calls were told again to another server. */
  readonly resumed: number
}

/** A node of d-engine, and the log that it stands on. */
export class Place {
  readonly number: number
  readonly socket: string
  readonly #folder: string
  readonly #binary: string
  #engine: ChildProcess | undefined
  #node: ChildProcess | undefined
  #isStopping = false
  status: Status | undefined
  /** Calls that were told again, by nodes that are gone. */
  resumedBefore = 0
  /** How often the node ended of its own accord, to be started again. */
  restarts = 0
  /** Why it cannot go on. */
  failure: string | undefined
  readonly lines: string[] = []

  constructor(number: number, folder: string, binary: string) {
    this.number = number
    this.#folder = folder
    this.#binary = binary
    this.socket = join(folder, `socket${number}`)
  }

  /** `ports`: of all nodes, in order. */
  async configure(ports: readonly number[]): Promise<void> {
    await writeFile(this.#config, configOf(this.number, ports, join(this.#folder, 'nodes')))
  }

  startEngine(): void {
    const data = join(this.#folder, `log${this.number}`)
    const args = [MAIN, 'log', 'serve', '--socket', this.socket, '--data', data]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#note(child, 'engine')
    child.on('exit', (code) => {
      if (code !== null && !this.#isStopping) this.failure ??= `an engine ended with ${code}`
    })
    this.#engine = child
  }

  startNode(): void {
    this.status = undefined
    const child = spawn(this.#binary, [this.#config, this.socket], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#note(child, 'node')
    createInterface(child.stdout).on('line', (line) => {
      const [word, ...numbers] = line.split(' ')
      if (word !== 'status' || this.#node !== child) return
      const [index = 0, term = 0, applied = 0, resumed = 0] = numbers.map(Number)
      this.status = { index, term, applied, resumed }
    })
    child.on('exit', (code) => {
      this.resumedBefore += this.status?.resumed ?? 0
      this.status = undefined
      if (code === null || this.#isStopping || this.#node !== child) return
      if (code !== AGAIN) this.failure ??= `a node ended with ${code}`
      this.restarts++
      this.startNode()
    })
    this.#node = child
  }

  /** With SIGKILL. */
  async killEngine(): Promise<void> {
    await ended(this.#engine!)
  }

  async killNode(): Promise<void> {
    const node = this.#node!
    this.#node = undefined
    await ended(node)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    for (const child of [this.#node, this.#engine]) if (child) await ended(child)
  }

  get #config(): string {
    return join(this.#folder, `node${this.number}.toml`)
  }

  #note(child: ChildProcess, who: string): void {
    createInterface(child.stderr!).on('line', (line) => {
      this.lines.push(`${who} ${this.number}: ${line}`)
      if (this.lines.length > LINES_KEPT) this.lines.shift()
    })
  }
}

/**
 * Elections within a second; the log is kept whole, so that all that a node knows comes from it. d-engine
 * sends it whole, too, to a node that has lost touch: so in large pieces.
 */
function configOf(number: number, ports: readonly number[], data: string): string {
  const members = ports.map(
    (port, i) =>
      `{ id = ${i + 1}, name = 'n${i + 1}', address = '127.0.0.1:${port}', role = 1, status = 3 }`,
  )
  return `[cluster]
node_id = ${number}
listen_address = '127.0.0.1:${ports[number - 1]}'
initial_cluster = [
  ${members.join(',\n  ')}
]
db_root_dir = '${data}'
log_dir = '${data}/words'

[raft.snapshot]
enable = false
snapshots_dir = '${data}/snapshots/${number}'

[raft.persistence]
flush_policy = { Batch = { idle_flush_interval_ms = 5 } }

[raft.replication]
rpc_append_entries_clock_in_ms = 50
append_entries_max_entries_per_replication = 2000

[raft.election]
election_timeout_min = 300
election_timeout_max = 900

[retry.election]
max_retries = 3
timeout_ms = 300
base_delay_ms = 50
max_delay_ms = 500
`
}

/** The writers: a word, and what they answer. */
export class Load {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  readonly lines: string[] = []

  constructor(binary: string, writers: number, ports: readonly number[]) {
    const urls = ports.map((port) => `http://127.0.0.1:${port}`)
    this.#child = spawn(binary, [String(writers), ...urls], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#answers = createInterface(this.#child.stdout!)[Symbol.asyncIterator]()
    createInterface(this.#child.stderr!).on('line', (line) => this.lines.push(`load: ${line}`))
  }

  async say(word: string): Promise<string> {
    this.#child.stdin!.write(`${word}\n`)
    const { value, done } = await this.#answers.next()
    if (done) throw new Error(`the writers ended:\n${this.lines.join('\n')}`)
    return value
  }

  async stop(): Promise<void> {
    await ended(this.#child)
  }
}

export async function untilExit(child: ChildProcess): Promise<number> {
  const [code] = (await once(child, 'close')) as [number | null]
  return code ?? 1
}
