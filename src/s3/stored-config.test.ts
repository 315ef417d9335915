import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { listConfigs } from './bucket-config.ts'
import { bucketSettings } from './bucket-settings.ts'
import { inventoryConfigs } from './inventory-config.ts'
import { createBucket } from './create-bucket.ts'
import { deleteBucket } from './delete-bucket.ts'
import { metadataConfig } from './metadata-config.ts'
import { intelligentTieringConfigs, metricsConfigs } from './named-configs.ts'
import { CALL, Fixture } from './s3.fixture.ts'

let f: Fixture
beforeEach(async () => {
  f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
})

const Bucket = 'b'

function put(Id: string, more: object = {}): Promise<unknown> {
  const MetricsConfiguration = { Id, Filter: { Prefix: Id } }
  const input = { Bucket, Id, MetricsConfiguration, ...more }
  return metricsConfigs(f.ctx).PutBucketMetricsConfiguration!(input, CALL)
}

test('named configurations are put, got, listed in pages and deleted', async () => {
  const metrics = metricsConfigs(f.ctx)
  const ids = Array.from({ length: 60 }, (_, n) => `id-${n + 10}`)
  for (const id of ids) await put(id)
  expect(await metrics.GetBucketMetricsConfiguration!({ Bucket, Id: 'id-10' }, CALL)).toEqual({
    MetricsConfiguration: { Id: 'id-10', Filter: { Prefix: 'id-10' } },
  })
  const listed: string[] = []
  for (let token: string | undefined; ;) {
    const input = { Bucket, ...(token !== undefined && { ContinuationToken: token }) }
    const page = await metrics.ListBucketMetricsConfigurations!(input, CALL)
    for (const { Id } of page.MetricsConfigurationList ?? []) listed.push(Id!)
    token = page.NextContinuationToken
    expect(page.IsTruncated).toBe(token !== undefined)
    if (token === undefined) break
  }
  expect(listed).toEqual(ids)
  await metrics.DeleteBucketMetricsConfiguration!({ Bucket, Id: 'id-10' }, CALL)
  const missing = { code: 'NoSuchConfiguration' }
  const of = { Bucket, Id: 'id-10' }
  await expect(metrics.GetBucketMetricsConfiguration!(of, CALL)).rejects.toMatchObject(missing)
  await expect(metrics.DeleteBucketMetricsConfiguration!(of, CALL)).rejects.toMatchObject(missing)
})

test('an id that is none, or another one in the document, and one too many are refused', async () => {
  await expect(put('a b')).rejects.toMatchObject({ code: 'InvalidConfigurationId' })
  await expect(put('a', { MetricsConfiguration: { Id: 'b' } })).rejects.toMatchObject({
    code: 'IdMismatch',
  })
  for (let n = 0; n < 100; n++) await put(`${n}`)
  await put('99')
  await expect(put('100')).rejects.toMatchObject({ code: 'TooManyConfigurations' })
})

test('tiers that come too early, and inventories to what is no bucket, are refused', async () => {
  const tier = (Days: number): Promise<unknown> =>
    intelligentTieringConfigs(f.ctx).PutBucketIntelligentTieringConfiguration!(
      {
        Bucket,
        Id: 't',
        IntelligentTieringConfiguration: {
          Id: 't',
          Status: 'Enabled',
          Tierings: [{ Days, AccessTier: 'ARCHIVE_ACCESS' }],
        },
      },
      CALL,
    )
  await tier(90)
  await expect(tier(89)).rejects.toMatchObject({ code: 'InvalidArgument' })
  const inventory = inventoryConfigs(f.ctx).PutBucketInventoryConfiguration!(
    {
      Bucket,
      Id: 'i',
      InventoryConfiguration: {
        Id: 'i',
        IsEnabled: true,
        IncludedObjectVersions: 'All',
        Schedule: { Frequency: 'Daily' },
        Destination: { S3BucketDestination: { Bucket: 'b', Format: 'CSV' } },
      },
    },
    CALL,
  )
  await expect(inventory).rejects.toMatchObject({ code: 'InvalidS3DestinationBucket' })
})

test('settings have S3’s defaults, and come back as they were put', async () => {
  const of = { Bucket }
  const s3 = bucketSettings(f.ctx)
  expect(await s3.GetBucketAccelerateConfiguration!(of, CALL)).toEqual({})
  expect(await s3.GetBucketRequestPayment!(of, CALL)).toEqual({ Payer: 'BucketOwner' })
  expect(await s3.GetBucketAbac!(of, CALL)).toEqual({ AbacStatus: { Status: 'Disabled' } })
  expect(await s3.GetBucketLogging!(of, CALL)).toEqual({})
  const AccelerateConfiguration = { Status: 'Enabled' as const }
  await s3.PutBucketAccelerateConfiguration!({ ...of, AccelerateConfiguration }, CALL)
  const RequestPaymentConfiguration = { Payer: 'Requester' as const }
  await s3.PutBucketRequestPayment!({ ...of, RequestPaymentConfiguration }, CALL)
  await s3.PutBucketAbac!({ ...of, AbacStatus: { Status: 'Enabled' } }, CALL)
  expect(await s3.GetBucketAccelerateConfiguration!(of, CALL)).toEqual(AccelerateConfiguration)
  expect(await s3.GetBucketRequestPayment!(of, CALL)).toEqual(RequestPaymentConfiguration)
  expect(await s3.GetBucketAbac!(of, CALL)).toEqual({ AbacStatus: { Status: 'Enabled' } })
})

test('a bucket that is made again knows nothing of the configuration of the one before', async () => {
  const of = { Bucket: 'again' }
  await createBucket(f.ctx)(of, CALL)
  await put('old', of)
  await deleteBucket(f.ctx)(of, CALL)
  expect(await f.ctx.metadata.scan('again', 'config', { from: '', limit: 9 })).toEqual([])
  await createBucket(f.ctx)(of, CALL)
  expect(await listConfigs(f.ctx, 'again', 'metrics')).toEqual([])
})

test('metadata tables are configured once, changed, and say that they are not filled', async () => {
  const of = { Bucket }
  const s3 = metadataConfig(f.ctx)
  const missing = { code: 'MetadataConfigurationNotFound', status: 404 }
  await expect(s3.GetBucketMetadataConfiguration!(of, CALL)).rejects.toMatchObject(missing)
  const journal = (Days: number): object => ({
    JournalTableConfiguration: { RecordExpiration: { Expiration: 'ENABLED', Days } },
  })
  const create = (MetadataConfiguration: object): Promise<unknown> =>
    s3.CreateBucketMetadataConfiguration!({ ...of, MetadataConfiguration } as never, CALL)
  await expect(create({})).rejects.toMatchObject({ code: 'MalformedXML' })
  await expect(create(journal(6))).rejects.toMatchObject({ code: 'InvalidRequest' })
  await create(journal(7))
  await expect(create(journal(7))).rejects.toMatchObject({ code: 'InvalidRequest' })
  await s3.UpdateBucketMetadataInventoryTableConfiguration!(
    { ...of, InventoryTableConfiguration: { ConfigurationState: 'ENABLED' } },
    CALL,
  )
  const got = await s3.GetBucketMetadataConfiguration!(of, CALL)
  expect(got.GetBucketMetadataConfigurationResult?.MetadataConfigurationResult).toMatchObject({
    JournalTableConfigurationResult: {
      TableStatus: 'FAILED',
      RecordExpiration: { Expiration: 'ENABLED', Days: 7 },
    },
    InventoryTableConfigurationResult: {
      ConfigurationState: 'ENABLED',
      Error: { ErrorCode: 'NotImplemented' },
    },
  })
  await expect(s3.GetBucketMetadataTableConfiguration!(of, CALL)).rejects.toMatchObject(missing)
  await s3.DeleteBucketMetadataConfiguration!(of, CALL)
  await expect(s3.GetBucketMetadataConfiguration!(of, CALL)).rejects.toMatchObject(missing)
  const S3TablesDestination = {
    TableBucketArn: 'arn:aws:s3tables:us-east-1:111122223333:bucket/tables',
    TableName: 'meta',
  }
  const MetadataTableConfiguration = { S3TablesDestination }
  await s3.CreateBucketMetadataTableConfiguration!({ ...of, MetadataTableConfiguration }, CALL)
  const table = await s3.GetBucketMetadataTableConfiguration!(of, CALL)
  expect(table.GetBucketMetadataTableConfigurationResult).toMatchObject({
    Status: 'FAILED',
    MetadataTableConfigurationResult: { S3TablesDestinationResult: S3TablesDestination },
  })
})
