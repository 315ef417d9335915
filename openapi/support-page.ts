/** `docs/s3-support.md`: every operation of S3 with what becomes of it here. */

/** What is less than S3's own, or other; an operation that is not named here is carried out as S3 does it. */
const NOTES: Readonly<Record<string, string>> = {
  CreateBucketMetadataConfiguration: 'kept and returned; its tables say that they are not filled',
  CreateBucketMetadataTableConfiguration: 'as CreateBucketMetadataConfiguration',
  CreateSession: 'refused: there are no directory buckets',
  GetObjectTorrent: 'a hybrid torrent with the object as its web seed (docs/torrents.md)',
  ListDirectoryBuckets: 'an empty list: there are no directory buckets',
  PutBucketAbac: 'kept and returned',
  PutBucketAccelerateConfiguration: 'kept and returned; there is one way to this store',
  PutBucketAnalyticsConfiguration: 'kept and returned; nothing is analysed',
  PutBucketIntelligentTieringConfiguration: 'kept and returned; nothing is moved',
  PutBucketInventoryConfiguration: 'carried out: reports in CSV; ORC and Parquet answer 501',
  PutBucketLifecycleConfiguration: 'carried out; a storage class is a name that clients see',
  PutBucketLogging: 'carried out, within minutes, as S3',
  PutBucketMetricsConfiguration: 'kept and returned; see /metrics',
  PutBucketNotificationConfiguration: 'webhooks, at least once (docs/notifications.md)',
  PutBucketReplication: 'carried out, to the S3s that configuration names (docs/replication.md)',
  PutBucketRequestPayment: 'kept and returned; nobody is billed',
  PutBucketVersioning: 'MFA delete is refused',
  PutObjectAnnotation: 'not copied by replication, and not listed in inventories',
  RestoreObject: 'answered at once: nothing is far away',
  SelectObjectContent: 'over CSV and JSON, plain or gzip; Parquet and bzip2 answer 501',
  UpdateObjectEncryption: 'annotations stay under the key that they were written with',
}

/** The page, in Markdown. */
export function supportPage(names: readonly string[], served: ReadonlySet<string>): string {
  const rows = [...names].sort().map((name): readonly [string, string, string] => {
    const note = NOTES[name] ?? ''
    return served.has(name) ? [name, 'yes', note] : [name, '501', note]
  })
  for (const name of Object.keys(NOTES))
    if (!served.has(name))
      throw new Error(`openapi/support-page.ts speaks of ${name}, which is not served`)
  const widths = [0, 1, 2].map((column) =>
    Math.max(
      ...rows.map((row) => row[column]!.length),
      ['operation', 'served', ''][column]!.length,
    ),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`
  return [
    '# What of S3 is served',
    '',
    `Of the ${names.length} operations in AWS's model ${served.size} are served. The others are recognised and answered with 501 NotImplemented, and touch nothing. Made by \`npm run generate\` from the model and the handlers.`,
    '',
    line(['operation', 'served', '']),
    `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`,
    ...rows.map(line),
    '',
  ].join('\n')
}
