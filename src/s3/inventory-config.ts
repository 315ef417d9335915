/** The inventory configurations of a bucket: what inventory.ts carries out. */
import type { InventoryConfiguration } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { Context } from './context.ts'
import { deleteNamed, getNamed, listNamed, putNamed } from './stored-config.ts'
import { transact } from './transact.ts'

export function inventoryConfigs(ctx: Context): S3Api {
  return {
    PutBucketInventoryConfiguration: async (input) => {
      const put = await putNamed(ctx, input, 'inventory', checked(input.InventoryConfiguration))
      await forgetTurn(ctx, input)
      return put
    },
    GetBucketInventoryConfiguration: async (input) => ({
      InventoryConfiguration: await getNamed<InventoryConfiguration>(ctx, input, 'inventory'),
    }),
    DeleteBucketInventoryConfiguration: async (input) => {
      const deleted = await deleteNamed(ctx, input, 'inventory')
      await forgetTurn(ctx, input)
      return deleted
    },
    ListBucketInventoryConfigurations: async (input) => {
      const { items, shown } = await listNamed<InventoryConfiguration>(ctx, input, 'inventory')
      return { ...shown, InventoryConfigurationList: items }
    },
  }
}

/** The row that tells how far the report of that id is; no document of the bucket's, which are called by their kind and an id. */
export function turnName(id: string): string {
  return `inventory-run.${id}`
}

/** What was written by another configuration says nothing of the next report. */
async function forgetTurn(
  ctx: Context,
  { Bucket: bucket = '', Id: id = '' }: { Bucket?: string | undefined; Id?: string | undefined },
): Promise<void> {
  await transact(ctx.metadata, bucket, async (tx) => {
    if ((await tx.get('config', turnName(id))) !== undefined) tx.delete('config', turnName(id))
  })
}

const BUCKET_ARN = /^arn:aws[a-z-]*:s3:::([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])$/

/** The bucket that an ARN names. Rejects with InvalidS3DestinationBucket. */
export function bucketOfArn(arn: string | undefined): string {
  const name = BUCKET_ARN.exec(arn ?? '')?.[1]
  if (name === undefined) {
    throw new S3Error('InvalidS3DestinationBucket', { message: 'Invalid bucket ARN.' })
  }
  return name
}

function checked(
  configuration: InventoryConfiguration | undefined,
): InventoryConfiguration | undefined {
  if (configuration === undefined) return undefined
  const target = configuration.Destination?.S3BucketDestination
  if (target === undefined || configuration.Schedule?.Frequency === undefined) {
    throw new S3Error('MalformedXML')
  }
  bucketOfArn(target.Bucket)
  if (target.Format !== 'CSV') {
    throw new S3Error('NotImplemented', {
      message: `Inventory reports in ${target.Format} are not implemented here: CSV is.`,
    })
  }
  return configuration
}
