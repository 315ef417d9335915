/** For tests: stores that are encrypted into, the keys of clients and of the KMS keyring, and a look at all that is at rest. */
import { createHash, createSecretKey } from 'node:crypto'
import type { MetadataStore, Table } from '../../metadata/store.ts'
import type { ObjectStorage, UnderKey } from '../../storage/store.ts'
import type { S3Options } from './context.ts'
import type { EncryptionKeys } from './keyring.ts'
import { FixtureClock } from './s3.fixture.ts'
import { Uploads } from './uploads.fixture.ts'

const keyOf = (name: string): Buffer => createHash('sha256').update(name).digest()

export const KEYS: EncryptionKeys = {
  s3: [
    { id: 'own-2', key: createSecretKey(keyOf('own-2')) },
    { id: 'own-1', key: createSecretKey(keyOf('own-1')) },
  ],
  kms: [
    { id: 'k1', key: createSecretKey(keyOf('k1')), state: 'enabled' },
    {
      id: 'k2',
      arn: 'arn:aws:kms:eu-west-1:111111111111:key/k2',
      key: createSecretKey(keyOf('k2')),
      state: 'enabled',
    },
    { id: 'off', key: createSecretKey(keyOf('off')), state: 'disabled' },
    { id: 'dying', key: createSecretKey(keyOf('dying')), state: 'pending-deletion' },
  ],
}

interface Headers {
  readonly SSECustomerAlgorithm: string
  readonly SSECustomerKey: string
  readonly SSECustomerKeyMD5: string
}

/** What a client sends that brings the key of that name. */
export function brings(name: string): Headers {
  const key = keyOf(name)
  return {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
  }
}

/** The same for the source of a copy. */
export function bringsForSource(name: string): Record<string, string> {
  const entries = Object.entries(brings(name))
  return Object.fromEntries(entries.map(([member, value]) => [`CopySource${member}`, value]))
}

const TABLES: readonly Table[] = ['object', 'version', 'page', 'upload', 'part', 'config', 'bucket']

export class Encrypted extends Uploads {
  constructor(
    metadata: MetadataStore,
    storage: ObjectStorage,
    underKey: UnderKey,
    options: Partial<S3Options> = {},
    keys: EncryptionKeys = KEYS,
  ) {
    const all = { inlineMaxBytes: 100, ...options }
    super(metadata, storage, all, new FixtureClock(), undefined, { underKey, keys })
  }

  /** Everything that is kept of bucket `b` and its objects: rows, their bytes, blobs. */
  async atRest(): Promise<Buffer> {
    const all: Buffer[] = []
    for (const table of TABLES) {
      for (const { sort } of await this.ctx.metadata.scan('b', table, { from: '', limit: 1000 })) {
        const row = await this.ctx.metadata.get('b', table, sort)
        all.push(Buffer.from(JSON.stringify(row?.value)), Buffer.from(row?.bytes ?? []))
      }
    }
    for (const id of await this.blobs())
      for await (const chunk of await this.ctx.storage.get(id)) all.push(Buffer.from(chunk))
    return Buffer.concat(all)
  }
}
