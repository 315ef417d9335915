/**
 * Three nodes of d-engine, each on a log of its own, under load, while nodes and logs are killed with
 * SIGKILL: what was acknowledged to a client is there in the end, and the three logs are the same.
 *
 * d-engine acknowledges what a majority has in memory, before it is persisted, so that the loss of two
 * nodes at the same moment may cost what it acknowledged last, whatever the storage. Here, therefore, one
 * place fails at a time, and the next when all three logs have all of it; and now and then everything at
 * once, where what was acknowledged before all three logs had it must be there again.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectLog } from '../../src/log/socket-client.fixture.ts'
import type { LogEntry } from '../../src/log/store.ts'
import { freePort } from '../harness/free-port.ts'
import { Load, Place, type Status } from './processes.ts'

const NODES = 3
const WRITERS = 16
/** Standing still for so long although one lacks something, the cluster gets another leader; and so long may it take in all. */
const STUCK_MS = 4000
const SETTLE_MS = 180_000
/** Standing still for so long, it has settled. */
const STILL_MS = 500
/** Every so many rounds all is killed at once. */
const ALL_EVERY = 5
/** Rounds are tried until the time is over, and at least so many. */
const ROUNDS_MIN = 5

export interface Outcome {
  readonly what: string
  /** Undefined where it holds. */
  readonly problem: string | undefined
}

export interface ClusterOptions {
  /** Folder of the binaries. */
  readonly binaries: string
  readonly seconds: number
  readonly random: () => number
}

export async function runCluster(options: ClusterOptions): Promise<readonly Outcome[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-raft-'))
  const cluster = new Cluster(folder, options)
  try {
    return await cluster.run()
  } catch (error) {
    console.log(cluster.lines().join('\n'))
    return [{ what: 'the cluster goes on', problem: (error as Error).message }]
  } finally {
    await cluster.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

type Kind = 'node' | 'log' | 'node and log' | 'everything'

class Cluster {
  readonly #places: readonly Place[]
  readonly #options: ClusterOptions
  #load: Load | undefined
  #nudges = 0
  readonly #kills: Record<Kind, number> = { node: 0, log: 0, 'node and log': 0, everything: 0 }

  constructor(folder: string, options: ClusterOptions) {
    this.#options = options
    const binary = join(options.binaries, 'node')
    this.#places = Array.from({ length: NODES }, (_, i) => new Place(i + 1, folder, binary))
  }

  async run(): Promise<readonly Outcome[]> {
    const ports: number[] = []
    for (const _ of this.#places) ports.push(await freePort())
    for (const place of this.#places) await place.configure(ports)
    this.#startAll()
    this.#load = new Load(join(this.#options.binaries, 'load'), WRITERS, ports)
    await this.#loaded(1000)
    await this.#settle()
    const end = Date.now() + this.#options.seconds * 1000
    let rounds = 0
    while (Date.now() < end || rounds < ROUNDS_MIN) await this.#round(++rounds)
    const told = await this.#load.say('check')
    const counts = await this.#load.say('count')
    const resumed = this.#sum((place) => place.resumedBefore + (place.status?.resumed ?? 0))
    const restarts = this.#sum(({ restarts }) => restarts)
    const killed = Object.entries(this.#kills).map(([kind, count]) => `${kind} ${count}`)
    console.log(`cluster: ${rounds} rounds, killed: ${killed.join(', ')}; ${counts}`)
    console.log(
      `cluster: ${resumed} times calls were told again to a new server, ${restarts} nodes asked to be started again, ${this.#nudges} times another leader was needed`,
    )
    console.log(`cluster: ${told}`)
    const lost = told.includes(' 0 wrong') ? undefined : told
    return [
      { what: 'what was acknowledged is there', problem: lost },
      ...(await this.#logsCompared()),
    ]
  }

  lines(): readonly string[] {
    return [...this.#places.flatMap(({ lines }) => lines), ...(this.#load?.lines ?? [])]
  }

  async stop(): Promise<void> {
    await this.#load?.stop()
    for (const place of this.#places) await place.stop()
  }

  async #round(number: number): Promise<void> {
    if (number % ALL_EVERY === 0) return this.#killAll()
    const place = this.#places[Math.floor(this.#options.random() * NODES)]!
    const kind = (['node', 'log', 'node and log'] as const)[number % 3]!
    this.#kills[kind]++
    await this.#load!.say('go')
    await this.#loaded(300 + this.#options.random() * 700)
    if (kind !== 'log') await place.killNode()
    if (kind !== 'node') await place.killEngine()
    // Long enough for an election, or not.
    await this.#loaded(this.#options.random() * 2000)
    if (kind !== 'node') place.startEngine()
    if (kind !== 'log') place.startNode()
    await this.#loaded(this.#options.random() * 1000)
    await this.#settle()
  }

  /** All at once: what the three logs had is there again. */
  async #killAll(): Promise<void> {
    this.#kills.everything++
    await this.#load!.say('seal')
    await this.#load!.say('go')
    await this.#loaded(300 + this.#options.random() * 700)
    await Promise.all(this.#places.flatMap((place) => [place.killNode(), place.killEngine()]))
    this.#startAll()
    await this.#settle()
    const told = await this.#load!.say('check sealed')
    if (!told.includes(' 0 wrong')) throw new Error(`after everything was killed: ${told}`)
    await this.#load!.say('forget')
  }

  #startAll(): void {
    for (const place of this.#places) {
      place.startEngine()
      place.startNode()
    }
  }

  async #loaded(timeMs: number): Promise<void> {
    await this.#load!.say('go')
    await sleep(timeMs)
    this.#checkAlive()
  }

  /** Holds the writers until all three logs have the same last entry, and all of it is applied. */
  async #settle(): Promise<void> {
    await this.#load!.say('hold')
    const begin = Date.now()
    let since = begin
    let before = ''
    for (;;) {
      this.#checkAlive()
      const statuses = this.#places.map(({ status }) => status)
      const now = JSON.stringify(statuses)
      if (now !== before) since = Date.now()
      before = now
      const stillMs = Date.now() - since
      if (stillMs > STILL_MS && areEven(statuses)) return
      if (Date.now() - begin > SETTLE_MS) throw new Error(`the cluster does not settle: ${now}`)
      if (stillMs > STUCK_MS) await this.#nudge()
      await sleep(20)
    }
  }

  /**
   * A leader of d-engine 0.2.4 does not send again what a node had acknowledged from memory and then lost,
   * so that this node stays behind for as long as it leads. One of two that have everything is killed, by
   * turns: the leader is among them.
   */
  async #nudge(): Promise<void> {
    const most = Math.max(...this.#places.map(({ status }) => status?.index ?? 0))
    const ahead = this.#places.filter(({ status }) => status?.index === most)
    if (ahead.length < 2) return
    const place = ahead[this.#nudges++ % ahead.length]!
    await place.killNode()
    place.startNode()
  }

  #checkAlive(): void {
    for (const { number, failure } of this.#places)
      if (failure !== undefined) throw new Error(`place ${number}: ${failure}`)
  }

  #sum(of: (place: Place) => number): number {
    return this.#places.reduce((sum, place) => sum + of(place), 0)
  }

  /** Reads the three logs themselves, once the nodes are gone. */
  async #logsCompared(): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    const logs: string[] = []
    for (const place of this.#places) {
      await place.killNode()
      await using engine = await connectLog(place.socket)
      let problem: string | undefined
      for await (const found of engine.log.verify()) problem ??= `${found.where}: ${found.message}`
      outcomes.push({ what: `log ${place.number} is sound`, problem })
      const digest: string[] = []
      for (let next = engine.log.firstIndex(); next <= engine.log.lastIndex();) {
        const batch = await engine.log.getEntries(next, engine.log.lastIndex())
        for (const entry of batch) digest.push(wordOf(entry))
        next += batch.length
      }
      logs.push(digest.join('\n'))
      console.log(`cluster: log ${place.number} has ${digest.length} entries`)
    }
    const areSame = logs.every((log) => log === logs[0])
    const problem = areSame ? undefined : 'the logs differ'
    return [...outcomes, { what: 'the three logs are the same', problem }]
  }
}

function areEven(statuses: readonly (Status | undefined)[]): boolean {
  const [first] = statuses
  return statuses.every(
    (status) =>
      status !== undefined &&
      status.index === first!.index &&
      status.term === first!.term &&
      status.applied === status.index,
  )
}

function wordOf({ index, term, kind, payload }: LogEntry): string {
  return `${index} ${term} ${kind} ${Buffer.from(payload).toString('base64')}`
}
