/**
 * A service that keeps no bytes, in a process of its own: memory that grows before it is the storage's.
 * Its argument is the service's name; it writes a line, the options of a storage there, as JSON.
 */
import { FakeAzure } from './azure.fake.ts'
import { FakeGcs } from './gcs.fake.ts'
import { FAKE_KEY, FakeS3 } from './s3.fake.ts'
import type { StorageOptions } from './open.ts'

async function sinkOf(name: string | undefined): Promise<StorageOptions> {
  if (name === 'gcs') {
    const fake = await new FakeGcs().start()
    fake.isSink = true
    return { engine: 'gcs', bucket: fake.bucket, endpoint: fake.endpoint }
  }
  if (name === 's3') {
    const fake = await new FakeS3().start()
    fake.isSink = true
    const keys = { accessKeyId: FAKE_KEY, secretAccessKey: 'a secret' }
    return { engine: 's3', bucket: fake.bucket, endpoint: fake.endpoint, pathStyle: true, ...keys }
  }
  const fake = await new FakeAzure().start()
  fake.isSink = true
  const { container, account, accountKey, url } = fake
  return { engine: 'azure', container, account, accountKey, endpoint: url }
}

console.log(JSON.stringify(await sinkOf(process.argv[2])))
// It ends with whoever started it, however that ends.
process.stdin.on('end', () => process.exit()).resume()
