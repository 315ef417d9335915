/**
 * Every statement there is for rows. They take lists as arrays, so that their texts are few and each is
 * prepared once a connection. `rows` and `revs` are the qualified, quoted names of the table and the sequence.
 *
 * All of them run at READ COMMITTED: `commitText` says why that is enough.
 */
export interface Names {
  readonly rows: string
  readonly revs: string
}

/** $1 partition, $2 table, $3 sort */
export function getText({ rows }: Names): string {
  return `select rev, value, bytes from ${rows} where partition = $1 and tbl = $2 and sort = $3`
}

/** As `getText`, without bytes. */
export function lookText({ rows }: Names): string {
  return `select sort, rev, value from ${rows} where partition = $1 and tbl = $2 and sort = $3`
}

/** $1 partition, $2 table, $3 from, $4 limit, $5 to where there is one. */
export function scanText({ rows }: Names, hasEnd: boolean): string {
  return `select sort, rev, value from ${rows}
    where partition = $1 and tbl = $2 and sort >= $3${hasEnd ? ' and sort < $5' : ''} order by sort limit $4`
}

/**
 * A folded scan: PostgreSQL itself seeks from each row to the first one behind its group. $1 to $5 as in
 * `scanText`, and between them: $5 characters before the fold's position, $6 the delimiter, $7 the least
 * text behind the delimiter and all that begins with it, $8 the least text behind a key; $9 the end.
 */
export function seekText({ rows }: Names, hasEnd: boolean): string {
  const cut = 'strpos(substr(s.sort, $5::int + 1), $6::text)'
  const behind = `case when ${cut} = 0 then s.sort || $8::text
    else left(s.sort, $5::int + ${cut} - 1) || $7::text end`
  const first = (from: string): string => `select sort, rev, value from ${rows}
    where partition = $1 and tbl = $2 and sort >= ${from}${hasEnd ? ' and sort < $9' : ''}
    order by sort limit 1`
  return `with recursive seek as (
    (${first('$3')})
    union all
    select n.sort, n.rev, n.value from seek s cross join lateral (${first(`(${behind})`)}) n
  ) select sort, rev, value from seek limit $4`
}

/** Which lists a commit has; each is a bit, so that a shape is a number. */
export const HELD = 1
export const TAKEN = 2
export const INSERTED = 4
export const UPDATED = 8
export const DELETED = 16
export const PUT = 32
export const REMOVED = 64
/** Beside `INSERTED`: there are two rows or more. */
export const SEVERAL = 128

/** What the server says where a commit is refused when it had begun to write: see `commitText`. */
export const REFUSAL = 'sluice: not an error, a commit came second'

/**
 * A commit as one statement, which is one transaction and one journey. Answers true or false.
 *
 * - `held`: rows expected and not written. FOR SHARE: whoever changes one waits, and so do we for who
 *   is changing one, to see its newest state then. Any number of commits hold a row at the same time.
 * - `taken`: rows expected and changed, where several writes have expectations: no one may fail once another is done.
 * - `inserted`: rows expected absent. The primary key decides between two that insert the same one.
 * - `updated`, `deleted`: rows expected at a rev: a row that another has changed meanwhile is waited for, and
 *   looked at again as it is then.
 * - `put`, `removed`: written whatever is there.
 *
 * Each step runs only where the steps before it found all that they wanted, so a refused commit has
 * written nothing; but of several inserts some may be done when another finds its row taken. Then the
 * statement has to fail: an error takes everything back. (A look before makes that rare.)
 *
 * Parameters: $1 partition; then for each list in the order above its arrays: tables and sorts, and revs
 * (but of `inserted`, `put`, `removed`), values and bytes (of `inserted`, `updated`, `put`).
 */
export function commitText({ rows, revs }: Names, shape: number): string {
  const parameters = new Parameters()
  const steps: string[] = []
  const at = `r.partition = $1 and r.tbl = w.tbl and r.sort = w.sort`
  let gate = 'true'
  for (const [bit, name, lock] of [
    [HELD, 'held', 'share'],
    [TAKEN, 'taken', 'update'],
  ] as const) {
    if (!(shape & bit)) continue
    const list = parameters.list('rev')
    steps.push(`${name} as materialized (select 1 from ${list.unnest} cross join lateral
      (select 1 from ${rows} r where ${at} and r.rev = w.rev for ${lock}) x)`)
    gate = also(gate, complete(name, list))
  }
  const insert = (list: List, gate: string): string =>
    `insert into ${rows} (partition, tbl, sort, rev, value, bytes)
      select $1, w.tbl, w.sort, nextval('${revs}'), w.value, w.bytes from ${list.unnest} where ${gate}`
  let done = gate
  let failed = ''
  if (shape & INSERTED) {
    const list = parameters.list('value', 'bytes')
    const free = `not exists (select from ${list.unnest} cross join lateral (select from ${rows} r where ${at}) x)`
    const isFree = shape & SEVERAL ? also(gate, free) : gate
    steps.push(`inserted as (${insert(list, isFree)} on conflict do nothing returning 1)`)
    gate = complete('inserted', list)
    done = gate
    if (shape & SEVERAL)
      failed = ` when (select count(*) from inserted) > 0
        then ('${REFUSAL}' || (select count(*) from inserted))::int is null`
  }
  if (shape & UPDATED) {
    const list = parameters.list('rev', 'value', 'bytes')
    steps.push(`updated as (update ${rows} r
      set rev = nextval('${revs}'), value = w.value, bytes = w.bytes
      from ${list.unnest} where ${gate} and ${at} and r.rev = w.rev returning 1)`)
    done = also(done, complete('updated', list))
  }
  if (shape & DELETED) {
    const list = parameters.list('rev')
    steps.push(`deleted as (delete from ${rows} r
      using ${list.unnest} where ${gate} and ${at} and r.rev = w.rev returning 1)`)
    done = also(done, complete('deleted', list))
  }
  if (shape & PUT)
    steps.push(`put as (${insert(parameters.list('value', 'bytes'), done)}
      on conflict (partition, tbl, sort) do update
      set rev = excluded.rev, value = excluded.value, bytes = excluded.bytes)`)
  if (shape & REMOVED)
    steps.push(`removed as (delete from ${rows} r
      using ${parameters.list().unnest} where ${done} and ${at})`)
  return `with ${steps.join(',\n    ')}
    select case when ${done} then true${failed} else false end`
}

/** Whether expectations hold, all at one moment. $1 partition; tables, sorts and revs of rows; tables and sorts of absent ones. */
export function askText({ rows }: Names): string {
  const parameters = new Parameters()
  const [there, absent] = [parameters.list('rev'), parameters.list()]
  const at = `r.partition = $1 and r.tbl = w.tbl and r.sort = w.sort`
  return `select (select count(*) from ${there.unnest}
      cross join lateral (select from ${rows} r where ${at} and r.rev = w.rev) x) = ${there.count}
    and not exists (select from ${absent.unnest} cross join lateral (select from ${rows} r where ${at}) x)`
}

/**
 * Absence cannot be locked, so it is held by rows that nobody else ever sees: written in the transaction
 * that needs them, and removed in it. $1 partition, $2 tables, $3 sorts; a row for each that was free.
 */
export function holdGapsText({ rows }: Names): string {
  const list = new Parameters().list()
  return `insert into ${rows} (partition, tbl, sort, rev, value)
    select $1, w.tbl, w.sort, 0, '' from ${list.unnest} on conflict do nothing returning 1`
}

/** Parameters as `holdGapsText`. */
export function freeGapsText({ rows }: Names): string {
  const list = new Parameters().list()
  return `delete from ${rows} r using ${list.unnest}
    where r.partition = $1 and r.tbl = w.tbl and r.sort = w.sort`
}

interface List {
  /** The rows of the list, as `w`. */
  readonly unnest: string
  /** How many they are. */
  readonly count: string
}

const ARRAYS = { rev: 'bigint[]', value: 'text[]', bytes: 'bytea[]' } as const

/** Numbers parameters from $2 on: $1 is the partition. */
class Parameters {
  #last = 1

  list(...columns: readonly (keyof typeof ARRAYS)[]): List {
    const count = `cardinality($${this.#last + 1}::smallint[])`
    const arrays = ['smallint[]', 'text[]', ...columns.map((column) => ARRAYS[column])].map(
      (type) => `$${++this.#last}::${type}`,
    )
    const names = ['tbl', 'sort', ...columns].join(', ')
    return { unnest: `unnest(${arrays.join(', ')}) w(${names})`, count }
  }
}

function complete(step: string, list: List): string {
  return `(select count(*) from ${step}) = ${list.count}`
}

function also(condition: string, other: string): string {
  return condition === 'true' ? other : `${condition} and ${other}`
}
