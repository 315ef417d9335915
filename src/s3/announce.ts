/**
 * Telling what happened to an object: the message (S3's event structure 2.1) goes into the outbox in the
 * commit that makes it true, one row for each who is to be told; outbox.ts delivers.
 */
import type { NotificationConfiguration } from '@aws-sdk/client-s3'
import type { Json } from '../../metadata/store.ts'
import type { Call } from '../api/operations.ts'
import { readConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { isTold, listenersOf } from './notification-config.ts'
import type { BucketRow, VersionRow } from './rows.ts'
import type { Tx } from './transact.ts'
import { publicId } from './version.ts'

export interface Happening {
  /** S3's name of it, with `s3:`. */
  readonly event: string
  readonly bucket: string
  readonly key: string
  /** The version that it happened to; none: there is nothing left of it. */
  readonly version?: VersionRow
  /** Who did it; none: a worker of ours. */
  readonly call?: Call
}

/** Adds what is to be told to the commit; undefined (at once) where the bucket tells nobody. */
export function announce(
  ctx: Context,
  tx: Tx,
  bucket: BucketRow,
  happening: Happening,
): Promise<void> | undefined {
  if (bucket.config?.['notification'] === undefined) return undefined
  return tell(ctx, tx, bucket, happening)
}

async function tell(ctx: Context, tx: Tx, bucket: BucketRow, happening: Happening): Promise<void> {
  const document = await readConfig(ctx, happening.bucket, 'notification')
  if (document === undefined) return
  const listeners = listenersOf(document as unknown as NotificationConfiguration)
  for (const { id, url, ...told } of listeners) {
    if (!isTold({ id, url, ...told }, happening.event, happening.key)) continue
    const sort = ctx.ids.next()
    const t = ctx.clock.now()
    tx.put('event', sort, { t, to: url, due: t, event: message(bucket, happening, id, sort, t) })
    ctx.outbox.nudge(happening.bucket)
  }
}

function message(
  bucket: BucketRow,
  { event, bucket: name, key, version, call }: Happening,
  configurationId: string,
  sequencer: string,
  t: number,
): Json {
  const isKept = version !== undefined && version.d === undefined
  const versionId =
    version === undefined || bucket.versioning === undefined ? undefined : publicId(version)
  return {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: bucket.region,
    eventTime: new Date(t).toISOString(),
    eventName: event.slice('s3:'.length),
    userIdentity: { principalId: call?.requester?.id ?? '' },
    requestParameters: { sourceIPAddress: '' },
    responseElements: { 'x-amz-request-id': call?.requestId ?? '', 'x-amz-id-2': '' },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId,
      bucket: {
        name,
        ownerIdentity: { principalId: bucket.owner[0] },
        arn: `arn:aws:s3:::${name}`,
      },
      object: {
        // As forms write it: S3 does, and listeners undo it.
        key: encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/'),
        ...(isKept && { size: version.s, eTag: version.e }),
        ...(versionId !== undefined && { versionId }),
        sequencer,
      },
    },
  }
}
