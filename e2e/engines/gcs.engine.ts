/** The storage `gcs` before fake-gcs-server. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SILENT } from '../../src/lib/meter.ts'
import { openStorage } from '../../storage/open.ts'
import { type FakeGcsServer, startFakeGcs } from './fake-gcs-server.ts'
import { realServicePromises } from './remote-storage.ts'

const BUCKET = 'blobs'
let server: FakeGcsServer
let prefixes = 0
beforeAll(async () => {
  server = await startFakeGcs()
  await server.createBucket(BUCKET)
})
afterAll(async () => server[Symbol.asyncDispose]())

realServicePromises('gcs before fake-gcs-server', {
  endpoint: () => server.endpoint,
  somewhere: (endpoint) => ({
    engine: 'gcs',
    bucket: BUCKET,
    prefix: `p${(prefixes += 1)}/`,
    endpoint,
    maxAttempts: 3,
  }),
  requests: [/^POST .*uploadType=resumable/, /^POST .*uploadType=media/, /^GET .*alt=media/],
  get: /^GET .*alt=media/,
})

test('a missing bucket is found out at the opening', async () => {
  const opening = openStorage(
    { engine: 'gcs', bucket: 'not-there', endpoint: server.endpoint },
    SILENT,
  )
  await expect(opening).rejects.toThrow(/there is no such bucket/)
})
