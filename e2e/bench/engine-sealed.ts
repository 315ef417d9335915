/** What sealing costs a GET of 64 MiB from files: through the gateway, and the storage alone. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SILENT } from '../../src/lib/meter.ts'
import { Ulids } from '../../src/lib/ulid.ts'
import { openStorage } from '../../storage/open.ts'
import { SEGMENT_BYTES, TAG_BYTES } from '../../storage/sealed-format.ts'
import type { SealOptions } from '../../storage/sealed-keys.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import { cpuOf, startGateway } from '../harness/gateway.ts'
import type { Scale } from './engine-rows.ts'
import { type Cost, costOf, type Goal, inTurn, median, ratioOf } from './goals.ts'
import { ask, load, siteOf, Wire } from './wire.ts'

const MIB = 1024 ** 2
const SIZE = 64 * MIB
const GETS = 8

export async function sealedGoals({ rounds, part }: Scale): Promise<Goal[]> {
  const gets = Math.max(1, Math.ceil(GETS * part))
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  try {
    const keyFile = join(folder, 'key')
    await writeFile(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
    await using plain = await gatewayWith({}, gets)
    await using sealed = await gatewayWith({ SLUICE_SEAL_KEY_FILE: keyFile }, gets)
    const [throughSealed, throughPlain] = await inTurn(rounds, [
      () => sealed.get(),
      () => plain.get(),
    ])
    const [alone, alonePlain] = await storageAlone(folder, rounds, gets)
    const floor = `; the cipher alone ${((await cipherAlone(gets)).cpuUs / 1000).toFixed(1)} ms`
    const goals = [
      goal('GET of 64 MiB from a sealed fs, over one from fs', throughSealed!, throughPlain!),
      goal('the same, storage alone', alone!, alonePlain!),
    ]
    return goals.map((each) => ({ ...each, of: each.of + floor }))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What opening 64 MiB costs in Node.js itself, in segments as they are at rest: no sealing can cost less. */
async function cipherAlone(gets: number): Promise<Cost> {
  const key = createSecretKey(randomBytes(32))
  const nonce = Buffer.alloc(12)
  const options = { authTagLength: TAG_BYTES } as const
  const cipher = createCipheriv('aes-256-gcm', key, nonce, options)
  const segment = cipher.update(randomBytes(SEGMENT_BYTES))
  cipher.final()
  const tag = cipher.getAuthTag()
  return costOf(gets, async () => {
    for (let i = 0; i < (gets * SIZE) / SEGMENT_BYTES; i++) {
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, options)
      decipher.setAuthTag(tag)
      const plain = decipher.update(segment)
      decipher.final()
      plain.buffer.transfer(0)
    }
  })
}

function goal(name: string, sealed: readonly Cost[], plain: readonly Cost[]): Goal {
  const ms = (costs: readonly Cost[]): string =>
    `${(median(costs.map(({ cpuUs }) => cpuUs)) / 1000).toFixed(1)} ms`
  return {
    name,
    measured: ratioOf(sealed, plain),
    unit: 'x',
    atMost: 1.25,
    of: `CPU: sealed ${ms(sealed)}, plain ${ms(plain)}`,
  }
}

interface Measured extends AsyncDisposable {
  get(): Promise<Cost>
}

async function gatewayWith(env: Record<string, string>, gets: number): Promise<Measured> {
  const gateway = await startGateway({ metadata: 'sqlite', storage: 'fs', env })
  const site = siteOf(gateway.endpoint)
  const body = randomBytes(SIZE)
  await load(site, [ask(site, 'PUT', '/bench')], 1, 200)
  await load(site, [ask(site, 'PUT', '/bench/object', { body })], 1, 200)
  return {
    async get() {
      const wire = await Wire.open(site)
      const before = await cpuOf(gateway.pid)
      const started = performance.now()
      for (let i = 0; i < gets; i++) {
        const { status, bodyBytes } = await wire.send(ask(site, 'GET', '/bench/object'))
        if (status !== 200 || bodyBytes !== SIZE) throw new Error(`GET was answered ${status}`)
      }
      const wallUs = ((performance.now() - started) * 1000) / gets
      wire.close()
      return { cpuUs: ((await cpuOf(gateway.pid)) - before) / gets, wallUs }
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

async function storageAlone(
  folder: string,
  rounds: number,
  gets: number,
): Promise<readonly (readonly Cost[])[]> {
  const seal: SealOptions = { keys: [{ id: 'bench', key: randomBytes(32).toString('base64') }] }
  const open = (name: string, more: object): Promise<ObjectStorage> =>
    openStorage({ engine: 'fs', path: join(folder, name), ...more }, SILENT)
  await using sealed = await open('sealed', { seal })
  await using plain = await open('plain', {})
  const id = new Ulids({ now: () => Date.now() }).next()
  const body = randomBytes(SIZE)
  for (const storage of [sealed, plain]) await storage.put(id, body)
  const works = [sealed, plain].map(
    (storage) => (): Promise<Cost> =>
      costOf(gets, async () => {
        for (let i = 0; i < gets; i++) {
          let size = 0
          for await (const chunk of await storage.get(id)) size += chunk.length
          if (size !== SIZE) throw new Error(`${size} bytes`)
        }
      }),
  )
  return inTurn(rounds, works)
}
