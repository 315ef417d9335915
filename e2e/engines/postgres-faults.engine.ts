/** What the PostgreSQL engine says and does when the server is not as it should be. */
import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPostgres, type PostgresStore } from '../../metadata/postgres.ts'
import type { PostgresOptions } from '../../metadata/postgres-wire.ts'
import type { Commit } from '../../metadata/store.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { run } from '../harness/shell.ts'
import { freePort } from '../harness/free-port.ts'
import { type PostgresServer, startPostgres, urlOf } from './postgres-server.ts'

let server: PostgresServer
let url = ''
beforeAll(async () => {
  server = await startPostgres()
  url = await server.createDatabase()
})
afterAll(async () => server[Symbol.asyncDispose]())

function options(changes: Partial<PostgresOptions> = {}): PostgresOptions {
  return { url, schema: `s${randomUUID()}`, poolSize: 4, ...changes }
}

const COMMIT: Commit = {
  partition: 'b',
  expects: [],
  writes: [{ table: 'object', sort: 'k', value: 1 }],
}

async function onServer<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end()
  }
}

test('connections are encrypted where that is asked for, and not where it is not', async () => {
  const caFile = server.certificate
  for (const [tls, wanted] of [
    [{ tls: 'off' }, 'false'],
    [{}, 'false'],
    [{ tls: 'require' }, 'true'],
    [{ tls: 'verify', caFile }, 'true'],
  ] as const) {
    await using store = await openPostgres(options({ ...tls, poolSize: 1 }), SILENT)
    expect(await store.commit(COMMIT)).toBe(true)
    const seen = await onServer((sql) =>
      sql
        .unsafe(
          `select distinct ssl::text from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'sluice'`,
        )
        .values(),
    )
    expect(seen).toEqual([[wanted]])
  }
})

describe('a store that cannot be opened says in one line what to do', () => {
  const refusal = async (changes: Partial<PostgresOptions>): Promise<string> => {
    const error = await openPostgres(options(changes), SILENT).then(
      () => undefined,
      (error: unknown) => error as Error,
    )
    expect(error?.message).not.toMatch(/\n|password \+/)
    return `${error?.name}: ${error?.message}`
  }

  test('a wrong password, and a role that is not there', async () => {
    const wanted =
      /^StoreUnavailable: PostgreSQL at 127\.0\.0\.1:\d+: password .*metadata\.user and metadata\.password/
    expect(await refusal({ password: 'wrong' })).toMatch(wanted)
    expect(await refusal({ user: 'nobody' })).toMatch(wanted)
  })

  test('a server that is not there', async () => {
    const port = await freePort()
    expect(await refusal({ port })).toMatch(/ECONNREFUSED.*is it running/)
    expect(await refusal({ host: 'no-such-host.invalid' })).toMatch(/is it running/)
  })

  test('a database that is not there', async () => {
    expect(await refusal({ database: 'none' })).toMatch(/3D000.*create the database "none"/)
  })

  test('a server whose certificate nobody has said to trust, or another one', async () => {
    expect(await refusal({ tls: 'verify' })).toMatch(/metadata\.caFile/)
    expect(await refusal({ tls: 'verify', caFile: '/nowhere.pem' })).toMatch(
      /^StoreUnavailable: metadata\.caFile: \/nowhere\.pem cannot be read/,
    )
    const caFile = server.certificate
    expect(await refusal({ tls: 'verify', caFile, host: 'localhost' })).toMatch(
      /metadata\.host has to be a name or an address that its certificate is for/,
    )
  })

  test('a server that does not speak TLS', async () => {
    server.stop('fast')
    server.start('ssl=off')
    expect(await refusal({ tls: 'require' })).toMatch(/metadata\.tls/)
    server.stop('fast')
    server.start()
  })

  test('a role that may not make the schema', async () => {
    await onServer((sql) => sql.unsafe(`create role guest login password 'guest'`))
    expect(await refusal({ user: 'guest', password: 'guest' })).toMatch(
      /42501.*GRANT CREATE ON DATABASE/,
    )
  })

  test('a role whose commits are not durable', async () => {
    await onServer(async (sql) => {
      await sql.unsafe(`create role hasty login superuser password 'hasty'`)
      await sql.unsafe('alter role hasty set synchronous_commit = off')
    })
    expect(await refusal({ user: 'hasty', password: 'hasty' })).toMatch(
      /ALTER ROLE "hasty" SET synchronous_commit = on/,
    )
  })

  test('a schema of a newer program, which is left as it is', async () => {
    const made = options()
    await (await openPostgres(made, SILENT))[Symbol.asyncDispose]()
    await onServer((sql) => sql.unsafe(`insert into "${made.schema}".sluice_schema values (99)`))
    expect(await refusal(made)).toMatch(/^StoreDamaged: .*newer Sluice \(layout 99/)
  })

  test('the gateway ends with exit code 1 and that one line', async () => {
    const main = new URL('../../src/main.ts', import.meta.url).pathname
    const wrong = urlOf({ ...server, password: 'wrong-secret' }, 'postgres')
    const args = ['serve', '--port', '0', '--metadata', 'postgres', '--storage', 'memory']
    const { code, stdout, stderr } = await run([process.execPath, main, ...args], {
      env: {
        SLUICE_METADATA_URL: wrong,
        SLUICE_ROOT_ACCESS_KEY: 'rooty',
        SLUICE_ROOT_SECRET_KEY: 'secret-of-root',
      },
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^sluice: PostgreSQL at .*metadata\.password.*\n$/)
    expect(stdout + stderr).not.toContain('wrong-secret')
  })
})

describe('a server that goes away and comes back', () => {
  const answers = async (store: PostgresStore): Promise<void> => {
    for (let tries = 0; ; tries++) {
      try {
        await store.commit(COMMIT)
        return
      } catch (error) {
        if (tries === 100) throw error
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  }

  test('its calls fail as unavailable meanwhile, soon, and go through after', async () => {
    await using store = await openPostgres(options(), SILENT)
    expect(await store.commit(COMMIT)).toBe(true)
    server.stop('fast')
    const started = performance.now()
    const unavailable = { name: 'StoreUnavailable' }
    await expect(store.commit(COMMIT)).rejects.toMatchObject(unavailable)
    await expect(store.get('b', 'object', 'k')).rejects.toMatchObject(unavailable)
    expect(performance.now() - started).toBeLessThan(10_000)
    server.start()
    await answers(store)
    expect((await store.get('b', 'object', 'k'))?.value).toBe(1)
  })

  test('what was acknowledged before a crash is there after it, and nothing by half', async () => {
    await using store = await openPostgres(options(), SILENT)
    const acknowledged: number[] = []
    const writer = async (partition: string): Promise<void> => {
      for (let value = 1; ; value++) {
        const writes = ['a', 'b', 'c'].map((sort) => ({ table: 'object' as const, sort, value }))
        await store.commit({ partition, expects: [], writes })
        acknowledged[Number(partition)] = value
      }
    }
    const writers = Array.from({ length: 8 }, (_, i) => writer(String(i)))
    const ended = Promise.allSettled(writers)
    await new Promise((resolve) => setTimeout(resolve, 700))
    server.stop('immediate')
    for (const { status, ...rest } of await ended) {
      expect(status).toBe('rejected')
      expect(rest).toMatchObject({ reason: { name: 'StoreUnavailable' } })
    }
    server.start()
    await answers(store)
    expect(acknowledged.filter(Boolean).length).toBeGreaterThan(0)
    for (const [i, last] of acknowledged.entries()) {
      const rows = await store.scan(String(i), 'object', { from: '', limit: 9 })
      expect(new Set(rows.map(({ value }) => value)).size).toBe(1)
      expect(rows[0]?.value).toBeGreaterThanOrEqual(last)
    }
  })
})
