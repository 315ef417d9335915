/** A bucket's rules of replication (S3, PutBucketReplication): what they may say, and where a version is to go by them. */
import type { ReplicationConfiguration, ReplicationRule } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { StoredTag, VersionRow } from './rows.ts'

const RULES_MAX = 1000
const ID_MAX = 255
const BUCKET_ARN = /^arn:aws[a-z-]*:s3:::([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])$/

/** A rule as it is carried out. */
export interface Rule {
  readonly target: string
  readonly prefix: string
  readonly tags: readonly StoredTag[]
  readonly priority: number
  readonly marksDeletes: boolean
  readonly storageClass: string | undefined
  readonly kmsKeyId: string | undefined
}

/** Throws what S3 answers for a document that is none. */
export function checkReplication(configuration: ReplicationConfiguration | undefined): void {
  const rules = configuration?.Rules
  if (configuration?.Role === undefined || rules === undefined || rules.length === 0) {
    throw new S3Error('MalformedXML')
  }
  if (rules.length > RULES_MAX)
    throw invalid('The number of replication rules must not exceed 1000')
  const ids = new Set<string>()
  const priorities = new Set<number>()
  for (const rule of rules) {
    checkRule(rule)
    if (rule.ID !== undefined) {
      if (ids.has(rule.ID)) throw invalid('Rule Id must be unique')
      ids.add(rule.ID)
    }
    if (rule.Filter === undefined) continue
    if (rule.Priority === undefined || priorities.has(rule.Priority)) {
      throw invalid('Priority must be specified, and unique, for rules with a Filter')
    }
    priorities.add(rule.Priority)
  }
}

function checkRule(rule: ReplicationRule): void {
  if (rule.Status !== 'Enabled' && rule.Status !== 'Disabled') throw new S3Error('MalformedXML')
  if ((rule.ID?.length ?? 0) > ID_MAX) throw invalid('The maximum value for ID is 255 characters')
  targetOf(rule)
  const { Filter: filter, Prefix: prefix, DeleteMarkerReplication: markers } = rule
  if (filter !== undefined && prefix !== undefined) throw new S3Error('MalformedXML')
  const said = [filter?.Prefix, filter?.Tag, filter?.And].filter((each) => each !== undefined)
  if (said.length > 1) throw new S3Error('MalformedXML')
  if (filter !== undefined && markers === undefined) {
    throw invalid(
      'DeleteMarkerReplication must be specified for this version of Cross Region Replication configuration schema.',
    )
  }
  const hasTags = filter?.Tag !== undefined || filter?.And?.Tags !== undefined
  if (hasTags && markers?.Status === 'Enabled') {
    throw invalid('Delete marker replication is not supported if any Tag filter is specified.')
  }
  if (rule.ExistingObjectReplication?.Status === 'Enabled') {
    throw new S3Error('NotImplemented', {
      message: 'Replication of objects that exist already is not implemented.',
    })
  }
  if (rule.Destination?.AccessControlTranslation !== undefined) {
    throw new S3Error('NotImplemented', { message: 'AccessControlTranslation is not implemented.' })
  }
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidArgument', { message })
}

/** The bucket that a rule's destination names. */
export function targetOf({ Destination: destination }: ReplicationRule): string {
  const name = BUCKET_ARN.exec(destination?.Bucket ?? '')?.[1]
  if (name === undefined) throw invalid('Invalid bucket ARN')
  return name
}

const made = new WeakMap<ReplicationConfiguration, readonly Rule[]>()

/** The rules that are enabled, those of the highest priority first; made once for each document. */
export function replicationRules(document: ReplicationConfiguration): readonly Rule[] {
  let rules = made.get(document)
  if (rules === undefined) {
    rules = (document.Rules ?? [])
      .filter(({ Status }) => Status === 'Enabled')
      .map(ruleOf)
      .sort((a, b) => b.priority - a.priority)
    made.set(document, rules)
  }
  return rules
}

function ruleOf(rule: ReplicationRule): Rule {
  const { Filter: filter, Prefix: prefix, Destination: destination } = rule
  const tags = filter?.And?.Tags ?? (filter?.Tag === undefined ? [] : [filter.Tag])
  return {
    target: targetOf(rule),
    prefix: prefix ?? filter?.Prefix ?? filter?.And?.Prefix ?? '',
    tags: tags.map(({ Key, Value }) => [Key ?? '', Value ?? '']),
    priority: rule.Priority ?? 0,
    // Of rules of the first schema, which know no filter, markers go along.
    marksDeletes:
      rule.DeleteMarkerReplication === undefined
        ? filter === undefined
        : rule.DeleteMarkerReplication.Status === 'Enabled',
    storageClass: destination?.StorageClass,
    kmsKeyId: destination?.EncryptionConfiguration?.ReplicaKmsKeyID,
  }
}

/** For each destination that the version is to go to, the rule that says so. */
export function rulesFor(
  rules: readonly Rule[],
  key: string,
  { d, tg = [] }: Pick<VersionRow, 'd' | 'tg'>,
): readonly Rule[] {
  const seen = new Set<string>()
  return rules.filter((rule) => {
    const { target, prefix, tags } = rule
    if (seen.has(target) || !key.startsWith(prefix)) return false
    const hasTags = tags.every(([name, value]) =>
      tg.some((tag) => tag[0] === name && tag[1] === value),
    )
    if (!hasTags) return false
    // The first that fits decides, also that a marker stays here.
    seen.add(target)
    return d === undefined || rule.marksDeletes
  })
}
