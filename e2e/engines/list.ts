/** The engines that are tested against a service of their own. A further one is a line here, and its `<engine>[-…].engine.ts`. */

export interface TestedEngine {
  readonly kind: 'metadata' | 'storage'
  /** As the configuration names it. */
  readonly engine: string
  /** What it is tested against. */
  readonly against: string
  /** Finds or installs that; rejects, with why, where it cannot be. */
  prepare(): Promise<void>
}

export const TESTED_ENGINES: readonly TestedEngine[] = [
  {
    kind: 'metadata',
    engine: 'postgres',
    against: 'PostgreSQL',
    prepare: async () => (await import('./postgres-server.ts')).preparePostgres(),
  },
  {
    kind: 'metadata',
    engine: 'dynamodb',
    against: 'DynamoDB Local',
    prepare: async () => (await import('./dynamodb-local.ts')).prepareDynamodb(),
  },
  {
    kind: 'metadata',
    engine: 'firestore',
    against: 'the Firestore emulator',
    prepare: async () => (await import('./firestore-emulator.ts')).prepareFirestore(),
  },
  {
    kind: 'storage',
    engine: 's3',
    against: 'a second gateway',
    prepare: async () => {},
  },
  {
    kind: 'storage',
    engine: 'gcs',
    against: 'fake-gcs-server',
    prepare: async () => (await import('./fake-gcs-server.ts')).prepareGcs(),
  },
  {
    kind: 'storage',
    engine: 'azure',
    against: 'Azurite',
    prepare: async () => (await import('./azurite-server.ts')).prepareAzure(),
  },
]

/** Whether a test file, by its path, is one of the engine's. */
export function isFileOf(engine: string, file: string): boolean {
  const name = file.slice(file.lastIndexOf('/') + 1)
  return name === `${engine}.engine.ts` || name.startsWith(`${engine}-`)
}
