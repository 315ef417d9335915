/* oxlint-disable vitest/no-conditional-expect -- what is to be expected is said by the model */
import {
  array,
  assert,
  asyncProperty,
  constant,
  constantFrom,
  integer,
  nat,
  oneof,
  record,
  string,
  type Arbitrary,
} from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { S3Error } from '../api/error.ts'
import { readRow, scanRows } from './rows.ts'
import { Fixture } from './s3.fixture.ts'
import { chainRange } from './version.ts'

type State = 'Enabled' | 'Suspended' | undefined

type Step =
  | { readonly do: 'put'; readonly body: string }
  | { readonly do: 'delete' }
  | { readonly do: 'delete version'; readonly pick: number }
  | { readonly do: 'copy'; readonly pick: number }
  | { readonly do: 'touch' }
  | { readonly do: 'configure'; readonly state: 'Enabled' | 'Suspended' }
  | { readonly do: 'clock'; readonly by: number }

const step: Arbitrary<Step> = oneof(
  record({ do: constant('put' as const), body: string({ maxLength: 40 }) }),
  record({ do: constant('delete' as const) }),
  record({ do: constant('delete version' as const), pick: nat(20) }),
  record({ do: constant('copy' as const), pick: nat(20) }),
  record({ do: constant('touch' as const) }),
  record({
    do: constant('configure' as const),
    state: constantFrom('Enabled' as const, 'Suspended' as const),
  }),
  // A clock that goes back must not put a new version behind an old one.
  record({ do: constant('clock' as const), by: integer({ min: -5000, max: 5000 }) }),
)

/** What S3's documentation says of versions, over a list: newest first. */
class Model {
  state: State
  versions: { id: string; body: string | undefined }[] = []

  push(id: string, body: string | undefined): void {
    if (this.state !== 'Enabled') this.versions = this.versions.filter((v) => v.id !== 'null')
    this.versions.unshift({ id, body })
  }
}

/** Does the step to the store and to the model. */
async function take(f: Fixture, model: Model, what: Step): Promise<void> {
  const { versions } = model
  switch (what.do) {
    case 'put': {
      const { VersionId } = await f.put('k', what.body)
      expect(VersionId !== undefined).toBe(model.state === 'Enabled')
      model.push(VersionId ?? 'null', what.body)
      return
    }
    case 'delete': {
      const { VersionId, DeleteMarker } = await f.delete('k')
      if (model.state === undefined) model.versions = []
      else model.push(VersionId!, undefined)
      expect(DeleteMarker === true).toBe(model.state !== undefined)
      return
    }
    case 'delete version': {
      const version = versions[what.pick % (versions.length + 1)]
      const VersionId = version?.id ?? '01ARZ3NDEKTSV4RRFFQ69G5FAV'
      const { DeleteMarker } = await f.delete('k', { VersionId })
      expect(DeleteMarker === true).toBe(version !== undefined && version.body === undefined)
      model.versions = versions.filter((v) => v !== version)
      return
    }
    case 'copy': {
      const version = versions[what.pick % Math.max(versions.length, 1)]
      if (version?.body === undefined) return
      const more = { MetadataDirective: 'REPLACE' }
      const { VersionId } = await f.copy(`b/k?versionId=${version.id}`, 'k', more)
      model.push(VersionId ?? 'null', version.body)
      return
    }
    case 'touch':
      if (versions[0]?.body === undefined) return
      model.push(
        (await f.copy('b/k', 'k', { MetadataDirective: 'REPLACE' })).VersionId ?? 'null',
        versions[0].body,
      )
      return
    case 'configure':
      await f.bucket('b', what.state)
      model.state = what.state
      return
    case 'clock':
      f.clock.time += what.by
  }
}

async function compare(f: Fixture, model: Model): Promise<void> {
  for (const { id, body } of model.versions) {
    const got = f.text('k', { VersionId: id })
    if (body === undefined) await expect(got).rejects.toMatchObject({ code: 'MethodNotAllowed' })
    else expect(await got).toBe(body)
  }
  const newest = model.versions[0]?.body
  const now = await f.text('k').catch((error: S3Error) => error)
  if (newest === undefined) expect(now).toMatchObject({ code: 'NoSuchKey' })
  else expect(now).toBe(newest)
}

/** The rows say of themselves what version.ts promises. */
async function checkRows(f: Fixture, model: Model): Promise<void> {
  const head = await readRow(f.ctx.metadata, 'b', 'object', 'k')
  const range = { ...chainRange('k'), limit: 1000 }
  const chain = await scanRows(f.ctx.metadata, 'b', 'version', range)
  const rows = head === undefined ? [] : [head, ...chain]
  expect(rows.map((row) => row.value.v ?? row.value.q)).toEqual(model.versions.map((v) => v.id))
  const qs = rows.map((row) => row.value.q)
  expect(qs).toEqual([...qs].sort())
  expect(head?.value.older === 1).toBe(chain.length > 0)
  expect(head?.value.nq).toBe(chain.find((row) => row.value.v === 'null')?.value.q)
  expect(chain.every((row) => row.value.older === undefined && row.value.nq === undefined)).toBe(
    true,
  )
}

test('any sequence of puts, copies, deletes and versioning states gives the versions that S3 gives, and leaves no blob behind', async () => {
  await assert(
    asyncProperty(array(step, { maxLength: 25 }), async (steps) => {
      const f = new Fixture(new MemoryStore(), new MemoryStorage())
      await f.bucket()
      const model = new Model()
      for (const what of steps) {
        await take(f, model, what)
        await checkRows(f, model)
      }
      await f.sweep().run(false)
      await compare(f, model)
      for (const { id } of model.versions) await f.delete('k', { VersionId: id })
      await f.sweep().run(false)
      expect(await f.blobs()).toEqual([])
    }),
    { numRuns: 150 },
  )
})
