/**
 * The tables in a PostgreSQL database: made where they are missing, by one of those who come at the same
 * time, and left alone where a newer program made them. And what the server has to promise, before
 * anything is written to it.
 */
import { StoreDamaged, StoreUnavailable } from '../src/lib/store-error.ts'
import type { Asked } from './postgres-errors.ts'
import type { Names } from './postgres-sql.ts'
import type { Wire } from './postgres-wire.ts'

/** Version of the layout below. */
export const SCHEMA_VERSION = 1
const SERVER_VERSION_MIN = 150_000
/** Of the lock under which the schema is made: "SLUI", and the rest is the server's own. */
const SCHEMA_LOCK = 0x53_4c_55_49

export function namesOf(schema: string): Names & { readonly versions: string } {
  const prefix = `${identifier(schema)}.`
  return {
    rows: `${prefix}sluice_row`,
    revs: `${prefix}sluice_rev`.replaceAll("'", "''"),
    versions: `${prefix}sluice_schema`,
  }
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Checks the server, and makes what is missing. */
export async function prepareSchema(wire: Wire, asked: Asked): Promise<void> {
  await checkServer(wire, asked)
  const { schema } = asked
  const version = await versionOf(wire, schema)
  if (version === undefined) {
    await wire.script(createText(schema))
    return
  }
  if (version > SCHEMA_VERSION)
    throw new StoreDamaged(
      `the schema "${schema}" of PostgreSQL at ${asked.server} is of a newer Sluice (layout ${version}, this one knows ${SCHEMA_VERSION}): nothing was changed; run the newer program`,
    )
}

/** What a 200 rests on is asked of the server, not hoped for. */
async function checkServer(wire: Wire, { server, user }: Asked): Promise<void> {
  const [cells] = await wire.run(
    `select current_setting('server_version_num')::int, current_setting('server_version'),
      current_setting('server_encoding'), current_setting('synchronous_commit'), coalesce(current_setting('fsync', true), 'on')`,
    [],
  )
  const [number, version, encoding, synchronous, fsync] = cells as [
    number,
    string,
    string,
    string,
    string,
  ]
  const place = `PostgreSQL at ${server}`
  if (number < SERVER_VERSION_MIN)
    throw new StoreUnavailable(`${place} is version ${version}: 15 or newer is needed`)
  if (encoding !== 'UTF8')
    throw new StoreUnavailable(
      `${place}: the database's encoding is ${encoding}; make one with ENCODING 'UTF8'`,
    )
  if (synchronous === 'off')
    throw new StoreUnavailable(
      `${place} has synchronous_commit = off, so that a crash loses what was acknowledged; ALTER ROLE "${user}" SET synchronous_commit = on`,
    )
  if (fsync === 'off')
    throw new StoreUnavailable(
      `${place} has fsync = off, so that a power cut loses everything; set fsync = on in its postgresql.conf`,
    )
}

async function versionOf(wire: Wire, schema: string): Promise<number | undefined> {
  const { versions } = namesOf(schema)
  const [found] = await wire.run('select to_regclass($1::text) is not null', [versions])
  if (found?.[0] !== true) return undefined
  const [cells] = await wire.run(`select max(version) from ${versions}`, [])
  return (cells?.[0] as number | null) ?? undefined
}

/**
 * One text is one transaction, under a lock that lets one at a time in; who comes second finds everything
 * there. Sort keys compare by their bytes, whatever the database's collation is. Bytes beside a value are
 * kept as they come, for objects are seldom worth compressing twice.
 */
function createText(schema: string): string {
  const { rows, revs, versions } = namesOf(schema)
  return `
    select pg_advisory_xact_lock(${SCHEMA_LOCK}, hashtext(${literal(schema)}));
    create schema if not exists ${identifier(schema)};
    create sequence if not exists ${identifier(schema)}.sluice_rev;
    create table if not exists ${rows} (
      partition text collate "C" not null,
      tbl smallint not null,
      sort text collate "C" not null,
      rev bigint not null,
      value text not null,
      bytes bytea,
      primary key (partition, tbl, sort)
    );
    alter table ${rows} alter column bytes set storage external;
    comment on table ${rows} is 'Rows of Sluice (revs from ${revs}); not to be changed by hand';
    create table if not exists ${versions} (version int primary key, made timestamptz not null default now());
    insert into ${versions} (version) values (${SCHEMA_VERSION}) on conflict do nothing;
  `
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
