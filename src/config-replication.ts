/** `replication`: the buckets of other S3s that buckets here may be copied to. */
import { resolve } from 'node:path'
import * as z from 'zod'
import { blame, ConfigError, type Raw } from './config-load.ts'
import type { ReadSecret } from './config-secret.ts'
import type { ReplicationTarget } from './replicas.ts'

interface TargetSettings {
  bucket: string
  remoteBucket?: string | undefined
  endpoint?: string | undefined
  region: string
  pathStyle?: boolean | undefined
  accessKeyId: string
  secretAccessKey?: string | undefined
  secretAccessKeyFile?: string | undefined
  marksReplicas: boolean
}

export interface ReplicationSettings {
  targets: TargetSettings[]
}

const NAME = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of a bucket is expected')

export const REPLICATION: z.ZodType<ReplicationSettings> = z
  .strictObject({
    targets: z
      .array(
        z.strictObject({
          bucket: NAME,
          remoteBucket: z.string().min(1).optional(),
          endpoint: z
            .url({ protocol: /^https?$/, error: 'an http:// or https:// URL is expected' })
            .optional(),
          region: z.string().min(1).default('us-east-1'),
          pathStyle: z.boolean().optional(),
          accessKeyId: z.string().min(1),
          secretAccessKey: z.string().min(1).optional(),
          secretAccessKeyFile: z.string().min(1).optional(),
          marksReplicas: z.boolean().default(true),
        }),
      )
      .prefault([]),
  })
  .prefault({})

/** Throws `ConfigError` where a name is there twice, or a secret is missing or said twice. */
export function resolveReplication(
  { targets }: ReplicationSettings,
  raw: Raw,
  readSecret: ReadSecret,
): readonly ReplicationTarget[] {
  const seen = new Set<string>()
  return targets.map((target, index) => {
    const place = `${blame(raw, ['replication', 'targets', index])}: replication.targets: `
    if (seen.has(target.bucket))
      throw new ConfigError([`${place}the bucket ${target.bucket} is there twice`])
    seen.add(target.bucket)
    const { secretAccessKey: said, secretAccessKeyFile: file } = target
    if ((said === undefined) === (file === undefined))
      throw new ConfigError([`${place}either secretAccessKey or secretAccessKeyFile is meant`])
    const secretAccessKey = said ?? readSecret(resolve(raw.cwd, file!), place)
    const { bucket, remoteBucket, endpoint, region, accessKeyId, marksReplicas } = target
    return {
      bucket,
      remoteBucket: remoteBucket ?? bucket,
      endpoint,
      region,
      // A host of its own for each bucket is AWS's way; others are asked by paths.
      pathStyle: target.pathStyle ?? endpoint !== undefined,
      accessKeyId,
      secretAccessKey,
      marksReplicas,
    }
  })
}
