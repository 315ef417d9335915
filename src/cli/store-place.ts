/** Where the store of a configuration is, in words without secrets: two that are the same are the same store. */
import type { MetadataOptions } from '../../metadata/open.ts'
import type { StorageOptions } from '../../storage/open.ts'

export function storePlace(options: MetadataOptions | StorageOptions): string {
  switch (options.engine) {
    case 'memory':
      return 'memory'
    case 's3': {
      const { endpoint, region, bucket, prefix } = options
      return `s3 ${endpoint ?? region ?? ''} ${bucket}/${prefix ?? ''}`
    }
    case 'postgres': {
      const { url, host, port, database, schema } = options
      return `postgres ${url === undefined ? `${host ?? ''}:${port ?? ''}/${database ?? ''}` : bare(url)} ${schema}`
    }
    case 'dynamodb': {
      const { endpoint, region, table } = options
      return `dynamodb ${endpoint ?? region ?? ''} ${table}`
    }
    case 'firestore': {
      const { endpoint, project, database, collection } = options
      return `firestore ${endpoint ?? project ?? ''} ${database}/${collection}`
    }
    case 'cosmos':
      return `cosmos ${options.endpoint} ${options.database}/${options.container}`
    default:
      return `${options.engine} ${options.path}`
  }
}

/** Host and database of a connection's URL, which may hold a password. */
function bare(url: string): string {
  const parsed = URL.parse(url)
  return parsed === null ? '' : `${parsed.host}${parsed.pathname}`
}
