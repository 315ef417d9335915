/**
 * Configurations that are validated, kept and given back as they are: documents of a bucket
 * (bucket-config.ts), of which there is one of a kind, or up to 100 with ids. Who carries one out reads
 * it from here too.
 */
import type { Json } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import { listConfigs, readConfig, writeConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import { type BucketInput, openBucket } from './open-bucket.ts'
import type { BucketRow, ConfigKind } from './rows.ts'
import { decodeToken, encodeToken } from './token.ts'

/** Of one kind in one bucket: their names stand in the bucket's row. S3 has 1,000. */
export const CONFIGS_MAX = 100
const PAGE_MAX = 25
const ID = /^[A-Za-z0-9_.-]{1,64}$/

/** The document of a bucket, in the model's own shape. */
export async function getDocument<T extends object>(
  ctx: Context,
  input: BucketInput,
  kind: ConfigKind,
): Promise<T | undefined> {
  await openBucket(ctx, input)
  return (await readConfig(ctx, input.Bucket ?? '', kind)) as T | undefined
}

/** Keeps it (null: removes it). `check` sees the bucket as the commit will find it, and may refuse. */
export function putDocument(
  ctx: Context,
  input: BucketInput,
  kind: ConfigKind,
  document: object | null,
  check: (bucket: BucketRow) => void = () => undefined,
): Promise<void> {
  return writeConfig(ctx, input.Bucket ?? '', kind, asJson(document), (bucket) => {
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    check(bucket)
  })
}

/** The members of an input that names one of several. */
export interface NamedInput extends BucketInput {
  readonly Id: string | undefined
}

interface Named {
  readonly Id?: string | undefined
}

export async function putNamed(
  ctx: Context,
  input: NamedInput,
  kind: ConfigKind,
  document: (object & Named) | undefined,
): Promise<Record<string, never>> {
  const id = idOf(input)
  if (document === undefined) throw new S3Error('MalformedXML')
  if (document.Id !== id) throw new S3Error('IdMismatch')
  const sort = `${kind}.${id}`
  await writeConfig(ctx, input.Bucket ?? '', sort, asJson(document), (bucket) => {
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    const others = Object.keys(bucket.config ?? {}).filter(
      (name) => name.startsWith(`${kind}.`) && name !== sort,
    )
    if (others.length >= CONFIGS_MAX) throw new S3Error('TooManyConfigurations')
  })
  return {}
}

export async function getNamed<T extends object>(
  ctx: Context,
  input: NamedInput,
  kind: ConfigKind,
): Promise<T> {
  await openBucket(ctx, input)
  const document = await readConfig(ctx, input.Bucket ?? '', kind, idOf(input))
  if (document === undefined) throw new S3Error('NoSuchConfiguration')
  return document as unknown as T
}

export async function deleteNamed(
  ctx: Context,
  input: NamedInput,
  kind: ConfigKind,
): Promise<Record<string, never>> {
  const sort = `${kind}.${idOf(input)}`
  await writeConfig(ctx, input.Bucket ?? '', sort, null, (bucket) => {
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    if (bucket.config?.[sort] === undefined) throw new S3Error('NoSuchConfiguration')
  })
  return {}
}

export interface ConfigPage<T> {
  readonly items: T[]
  /** The members that all four listings have. */
  readonly shown: {
    readonly IsTruncated: boolean
    readonly ContinuationToken?: string
    readonly NextContinuationToken?: string
  }
}

export async function listNamed<T>(
  ctx: Context,
  input: BucketInput & { readonly ContinuationToken?: string | undefined },
  kind: ConfigKind,
): Promise<ConfigPage<T>> {
  await openBucket(ctx, input)
  const token = input.ContinuationToken
  const after = token ? decodeToken('configs', token) : ''
  const all = (await listConfigs(ctx, input.Bucket ?? '', kind)).filter(([id]) => id > after)
  const page = all.slice(0, PAGE_MAX)
  const isTruncated = page.length < all.length
  return {
    items: page.map(([, document]) => document as unknown as T),
    shown: {
      IsTruncated: isTruncated,
      ...(token !== undefined && { ContinuationToken: token }),
      ...(isTruncated && { NextContinuationToken: encodeToken('configs', page.at(-1)![0]) }),
    },
  }
}

function idOf({ Id: id = '' }: NamedInput): string {
  if (!ID.test(id)) throw new S3Error('InvalidConfigurationId')
  return id
}

/** As it is kept: dates as text, what is undefined left out. */
function asJson(document: object | null): Json {
  return JSON.parse(JSON.stringify(document)) as Json
}
