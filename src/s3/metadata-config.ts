/**
 * Configurations of metadata tables (S3 Metadata): validated, kept and given back. There are no table
 * buckets here to fill, and each table says so: its status is FAILED, with the reason.
 */
import type {
  AnnotationTableConfiguration,
  ErrorDetails,
  InventoryTableConfiguration,
  JournalTableConfiguration,
  MetadataConfiguration,
  MetadataTableConfiguration,
} from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { Context } from './context.ts'
import type { BucketInput } from './open-bucket.ts'
import { getDocument, putDocument } from './stored-config.ts'
import { Contended } from './transact.ts'

/** Of the older kind (`MetadataTableConfiguration`, one table) or the newer; a bucket has one of them. */
type MetadataDocument =
  | { readonly table: MetadataTableConfiguration; readonly tables?: never }
  | { readonly tables: MetadataConfiguration; readonly table?: never }

const NO_TABLES: ErrorDetails = {
  ErrorCode: 'NotImplemented',
  ErrorMessage: 'There are no table buckets here: the table is not filled.',
}
const NAMESPACE = 'aws_s3_metadata'
const JOURNAL_DAYS_MIN = 7
const JOURNAL_DAYS_MAX = 2_147_483_647
const TABLE_NAME = /^[a-z0-9][a-z0-9_]{0,254}$/
const TABLE_BUCKET_ARN = /^arn:aws[a-z-]*:s3tables:[a-z0-9-]+:\d{12}:bucket\/[a-z0-9-]{3,63}$/

export function metadataConfig(ctx: Context): S3Api {
  return {
    ...newer(ctx),
    ...older(ctx),
    UpdateBucketMetadataInventoryTableConfiguration: async (input) => {
      const { InventoryTableConfiguration: inventory } = input
      if (inventory === undefined) throw new S3Error('MalformedXML')
      await update(ctx, input, (now) => ({ ...now, InventoryTableConfiguration: inventory }))
      return {}
    },
    UpdateBucketMetadataJournalTableConfiguration: async (input) => {
      const { JournalTableConfiguration: journal } = input
      if (journal === undefined) throw new S3Error('MalformedXML')
      await update(ctx, input, (now) => ({
        ...now,
        JournalTableConfiguration: { ...now.JournalTableConfiguration, ...journal },
      }))
      return {}
    },
    UpdateBucketMetadataAnnotationTableConfiguration: async (input) => {
      const { AnnotationTableConfiguration: annotation } = input
      if (annotation === undefined) throw new S3Error('MalformedXML')
      await update(ctx, input, (now) => ({ ...now, AnnotationTableConfiguration: annotation }))
      return {}
    },
  }
}

function newer(ctx: Context): S3Api {
  return {
    CreateBucketMetadataConfiguration: async (input) => {
      const tables = input.MetadataConfiguration
      checkTables(tables)
      await create(ctx, input, { tables })
      return {}
    },
    GetBucketMetadataConfiguration: async (input) => {
      const document = await getDocument<MetadataDocument>(ctx, input, 'metadata')
      if (document?.tables === undefined) throw notFound(input)
      const { tables } = document
      const { InventoryTableConfiguration: inventory } = tables
      const { AnnotationTableConfiguration: annotation } = tables
      return {
        GetBucketMetadataConfigurationResult: {
          MetadataConfigurationResult: {
            DestinationResult: { TableBucketType: 'aws', TableNamespace: `b_${input.Bucket}` },
            JournalTableConfigurationResult: journalResult(tables.JournalTableConfiguration),
            ...(inventory && { InventoryTableConfigurationResult: tableResult(inventory) }),
            ...(annotation && { AnnotationTableConfigurationResult: annotationResult(annotation) }),
          },
        },
      }
    },
    DeleteBucketMetadataConfiguration: async (input) => {
      await putDocument(ctx, input, 'metadata', null)
      return {}
    },
  }
}

function older(ctx: Context): S3Api {
  return {
    CreateBucketMetadataTableConfiguration: async (input) => {
      const table = input.MetadataTableConfiguration
      const { TableBucketArn: arn = '', TableName: name = '' } = table?.S3TablesDestination ?? {}
      if (table === undefined || !TABLE_BUCKET_ARN.test(arn) || !TABLE_NAME.test(name)) {
        throw new S3Error('InvalidRequest', {
          message: 'The destination needs the ARN of a table bucket and a name of a table.',
        })
      }
      await create(ctx, input, { table })
      return {}
    },
    GetBucketMetadataTableConfiguration: async (input) => {
      const document = await getDocument<MetadataDocument>(ctx, input, 'metadata')
      if (document?.table === undefined) throw notFound(input)
      const { TableBucketArn = '', TableName = '' } = document.table.S3TablesDestination ?? {}
      return {
        GetBucketMetadataTableConfigurationResult: {
          MetadataTableConfigurationResult: {
            S3TablesDestinationResult: {
              TableBucketArn,
              TableName,
              TableArn: `${TableBucketArn}/table/${TableName}`,
              TableNamespace: NAMESPACE,
            },
          },
          Status: 'FAILED',
          Error: NO_TABLES,
        },
      }
    },
    DeleteBucketMetadataTableConfiguration: async (input) => {
      await putDocument(ctx, input, 'metadata', null)
      return {}
    },
  }
}

function create(ctx: Context, input: BucketInput, document: MetadataDocument): Promise<void> {
  return putDocument(ctx, input, 'metadata', document, ({ config }) => {
    if (config?.['metadata'] === undefined) return
    throw new S3Error('InvalidRequest', {
      message: 'A metadata configuration already exists on this bucket: delete it first.',
    })
  })
}

/** Times that others may change the configuration first. */
const ATTEMPTS_MAX = 16

async function update(
  ctx: Context,
  input: BucketInput,
  change: (tables: MetadataConfiguration) => MetadataConfiguration,
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { config: before } = (await ctx.buckets.readFresh(input.Bucket ?? '')).value
    const document = await getDocument<MetadataDocument>(ctx, input, 'metadata')
    if (document?.tables === undefined) throw notFound(input)
    const tables = change(document.tables)
    checkTables(tables)
    let isStill = true
    await putDocument(ctx, input, 'metadata', { tables }, ({ config }) => {
      isStill = config?.['metadata'] === before?.['metadata']
      if (!isStill) throw new Contended('the configuration has changed')
    }).catch((error: unknown) => {
      if (isStill) throw error
    })
    if (isStill) return
  }
  throw new Contended('the configuration changed all the time')
}

function checkTables(
  tables: MetadataConfiguration | undefined,
): asserts tables is MetadataConfiguration {
  const expiration = tables?.JournalTableConfiguration?.RecordExpiration
  if (tables === undefined || expiration === undefined) throw new S3Error('MalformedXML')
  const { Expiration: state, Days: days } = expiration
  if (state !== 'ENABLED' && state !== 'DISABLED') throw new S3Error('MalformedXML')
  if ((state === 'ENABLED') !== (days !== undefined)) throw new S3Error('MalformedXML')
  if (days !== undefined && (days < JOURNAL_DAYS_MIN || days > JOURNAL_DAYS_MAX)) {
    throw new S3Error('InvalidRequest', {
      message: `Days of the record expiration must be ${JOURNAL_DAYS_MIN} to ${JOURNAL_DAYS_MAX}`,
    })
  }
  for (const table of [tables.InventoryTableConfiguration, tables.AnnotationTableConfiguration]) {
    const set = table?.ConfigurationState
    if (table !== undefined && set !== 'ENABLED' && set !== 'DISABLED') {
      throw new S3Error('MalformedXML')
    }
  }
}

function journalResult(
  { RecordExpiration }: JournalTableConfiguration = { RecordExpiration: undefined },
) {
  return { TableStatus: 'FAILED', Error: NO_TABLES, TableName: 'journal', RecordExpiration }
}

function tableResult({ ConfigurationState }: InventoryTableConfiguration) {
  if (ConfigurationState === 'DISABLED') return { ConfigurationState }
  return { ConfigurationState, TableStatus: 'FAILED', Error: NO_TABLES, TableName: 'inventory' }
}

function annotationResult({ ConfigurationState, Role }: AnnotationTableConfiguration) {
  const role = Role === undefined ? {} : { Role }
  if (ConfigurationState === 'DISABLED') return { ConfigurationState, ...role }
  return {
    ConfigurationState,
    TableStatus: 'FAILED',
    Error: NO_TABLES,
    TableName: 'annotation',
    ...role,
  }
}

function notFound({ Bucket: bucket = '' }: BucketInput): S3Error {
  return new S3Error('MetadataConfigurationNotFound', { fields: { BucketName: bucket } })
}
