/**
 * Users that were made while the gateway runs: rows of the root partition, one for each access key. Their
 * secrets stand there sealed under the gateway's own encryption key, where it has one: whoever reads the
 * metadata alone (a backup, the database of somebody else) cannot sign as anybody.
 */
import type { Json, MetadataStore } from '../../metadata/store.ts'
import type { Clock } from '../lib/ids.ts'
import { openShort, sealShort } from '../lib/short-seal.ts'
import type { WrappingKey } from './keyring.ts'
import { ROOT, scanRows, writeRow } from './rows.ts'

const PREFIX = 'user.'
/** What comes behind all of them. */
const END = 'user/'
const STEP = 1000

export interface UserRows {
  /** Documents by their access keys. */
  read(): Promise<ReadonlyMap<string, Json>>
  /** Null: takes the user away. Durable once resolved. */
  write(accessKeyId: string, document: Json): Promise<void>
}

/** `keys`: the first seals, the others still open; none: secrets stand in clear. */
export function userRows(
  metadata: MetadataStore,
  clock: Clock,
  keys: readonly WrappingKey[],
): UserRows {
  return {
    async read() {
      const found = new Map<string, Json>()
      for (let from = PREFIX; ;) {
        const rows = await scanRows(metadata, ROOT, 'config', { from, to: END, limit: STEP })
        for (const { sort, value } of rows) {
          const accessKeyId = sort.slice(PREFIX.length)
          found.set(accessKeyId, opened(keys, accessKeyId, value.document))
        }
        if (rows.length < STEP) return found
        from = `${rows.at(-1)!.sort}\0`
      }
    },

    async write(accessKeyId, document) {
      const sort = PREFIX + accessKeyId
      const row =
        document === null ? null : { t: clock.now(), document: sealed(keys, accessKeyId, document) }
      const writes = [writeRow('config', sort, row)]
      await metadata.commit({ partition: ROOT, expects: [], writes })
    },
  }
}

type Document = { readonly [member: string]: Json }

/** In place of the secret: the id of the key that seals it, and the sealed text in base64url. */
type SealedSecret = readonly [keyId: string, sealed: string]

function purposeOf(accessKeyId: string): string {
  return `secret of user ${accessKeyId}`
}

function sealed(keys: readonly WrappingKey[], accessKeyId: string, document: Json): Json {
  const [key] = keys
  const { secretAccessKey: secret, ...rest } = document as Document
  if (key === undefined || typeof secret !== 'string') return document
  const text = sealShort(key.key, purposeOf(accessKeyId), Buffer.from(secret))
  const value: SealedSecret = [key.id, text.toString('base64url')]
  return { ...rest, sealedSecret: value }
}

function opened(keys: readonly WrappingKey[], accessKeyId: string, document: Json): Json {
  const { sealedSecret: value, ...rest } = document as Document
  if (value === undefined) return document
  const [id, text] = value as unknown as SealedSecret
  const key = keys.find((each) => each.id === id)
  if (key === undefined) {
    throw new Error(
      `the encryption key "${id}" is not configured, and the secrets of users need it`,
    )
  }
  const secret = openShort(key.key, purposeOf(accessKeyId), Buffer.from(text, 'base64url'))
  if (secret === undefined) {
    throw new Error(`the secret of the user ${accessKeyId} is not what was stored`)
  }
  return { ...rest, secretAccessKey: secret.toString() }
}
