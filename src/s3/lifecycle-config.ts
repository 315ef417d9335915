/** PutBucketLifecycleConfiguration and its kin: which rules S3 takes, and in which words it refuses others. */
import type { LifecycleRule, StorageClass, Tag } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import { readConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { DAY_MS, type LifecycleDocument, whereOf } from './lifecycle-rules.ts'
import { getDocument, putDocument } from './stored-config.ts'

const RULES_MAX = 1000
const ID_MAX = 255
const NEWER_MAX = 100
const SIZES_MIN: readonly string[] = ['all_storage_classes_128K', 'varies_by_storage_class']

/** Where an object may be moved to. */
const COLDER: readonly StorageClass[] = [
  'STANDARD_IA',
  'INTELLIGENT_TIERING',
  'ONEZONE_IA',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
]

export function lifecycleConfig(ctx: Context): S3Api {
  return {
    GetBucketLifecycleConfiguration: async (input) => {
      const document = await getDocument<LifecycleDocument>(ctx, input, 'lifecycle')
      if (document === undefined) {
        throw new S3Error('NoSuchLifecycleConfiguration', {
          fields: { BucketName: input.Bucket ?? '' },
        })
      }
      return {
        Rules: document.rules.map(shown),
        TransitionDefaultMinimumObjectSize: document.min ?? 'all_storage_classes_128K',
      }
    },
    PutBucketLifecycleConfiguration: async (input) => {
      const min = input.TransitionDefaultMinimumObjectSize
      if (min !== undefined && !SIZES_MIN.includes(min)) {
        throw new S3Error('InvalidRequest', {
          message: `Invalid TransitionDefaultMinimumObjectSize found: ${min}`,
        })
      }
      const asked = input.LifecycleConfiguration?.Rules ?? []
      if (asked.length === 0 || asked.length > RULES_MAX) throw new S3Error('MalformedXML')
      const isStrict = ctx.options.compat === 'aws-2026'
      for (const rule of asked) checkRule(rule, isStrict)
      const rules = asked.map((rule) => ({ ...rule, ID: rule.ID ?? ctx.ids.next() }))
      if (new Set(rules.map((rule) => rule.ID)).size < rules.length) {
        throw invalid('Rule ID must be unique. Found same ID for more than one rule', 'ID')
      }
      const document: LifecycleDocument = { rules, ...(min !== undefined && { min }) }
      await putDocument(ctx, input, 'lifecycle', document)
      return { TransitionDefaultMinimumObjectSize: min ?? 'all_storage_classes_128K' }
    },
    DeleteBucketLifecycle: async (input) => {
      await putDocument(ctx, input, 'lifecycle', null)
      return {}
    },
  }
}

/** The lifecycle of a bucket; undefined where it has none. Rejects with NoSuchBucket. */
export async function readLifecycle(
  ctx: Context,
  bucket: string,
): Promise<LifecycleDocument | undefined> {
  return (await readConfig(ctx, bucket, 'lifecycle')) as unknown as LifecycleDocument | undefined
}

/** Dates are kept as text. */
function shown(rule: LifecycleRule): LifecycleRule {
  const { Expiration: expiration, Transitions: moves } = rule
  return {
    ...rule,
    ...(expiration?.Date !== undefined && {
      Expiration: { ...expiration, Date: new Date(expiration.Date) },
    }),
    ...(moves !== undefined && {
      Transitions: moves.map((move) =>
        move.Date === undefined ? move : { ...move, Date: new Date(move.Date) },
      ),
    }),
  }
}

/** `isStrict`: several things in a filter stand in And, as AWS insists. */
function checkRule(rule: LifecycleRule, isStrict: boolean): void {
  if ((rule.ID?.length ?? 0) > ID_MAX) {
    throw invalid(`ID length should not exceed allowed limit of ${ID_MAX}`, 'ID')
  }
  if (rule.Status === undefined) throw new S3Error('MalformedXML')
  if ((rule.Prefix === undefined) === (rule.Filter === undefined)) throw new S3Error('MalformedXML')
  const asked = Object.values(rule.Filter ?? {}).filter((value) => value !== undefined)
  if (isStrict && asked.length > 1) throw new S3Error('MalformedXML')
  const named = checkFilter(rule.Filter)
  checkExpiration(rule, named)
  checkTransitions(rule, isStrict)
  checkNoncurrent(rule, isStrict)
  checkAbort(rule, named)
  const actions = [
    rule.Expiration,
    rule.NoncurrentVersionExpiration,
    rule.AbortIncompleteMultipartUpload,
    ...(rule.Transitions ?? []),
    ...(rule.NoncurrentVersionTransitions ?? []),
  ]
  if (actions.every((action) => action === undefined)) {
    throw new S3Error('InvalidRequest', {
      message: 'At least one action needs to be specified in a rule',
    })
  }
}

/** What a filter asks of objects that uploads and markers do not have. */
interface Named {
  readonly tags: boolean
  readonly sizes: boolean
}

function checkFilter(filter: LifecycleRule['Filter']): Named {
  if (filter === undefined) return { tags: false, sizes: false }
  const { tags, over, under } = whereOf(filter)
  checkTagKeys(tags)
  for (const size of [over, under]) {
    if (size !== undefined && size < 0) throw invalid('Object sizes must not be negative', 'Filter')
  }
  if (over !== undefined && under !== undefined && over >= under) {
    throw new S3Error('InvalidRequest', {
      message: 'ObjectSizeLessThan must be greater than ObjectSizeGreaterThan',
    })
  }
  return { tags: tags.length > 0, sizes: over !== undefined || under !== undefined }
}

function checkTagKeys(tags: readonly Tag[]): void {
  if (tags.some((tag) => tag.Key === undefined || tag.Value === undefined)) {
    throw new S3Error('MalformedXML')
  }
  if (new Set(tags.map((tag) => tag.Key)).size < tags.length) {
    throw new S3Error('InvalidRequest', { message: 'Duplicate Tag Keys are not allowed.' })
  }
}

function checkExpiration({ Expiration: expiration }: LifecycleRule, named: Named): void {
  if (expiration === undefined) return
  const { Days: days, Date: date, ExpiredObjectDeleteMarker: markers } = expiration
  const given = [days, date, markers].filter((value) => value !== undefined)
  if (given.length !== 1) throw new S3Error('MalformedXML')
  checkDays(days, 1, 'Days', 'Expiration')
  checkDate(date)
  if (markers === true && (named.tags || named.sizes)) {
    throw new S3Error('InvalidRequest', {
      message: `ExpiredObjectDeleteMarker cannot be specified with ${named.tags ? 'Tags' : 'Object Size'}.`,
    })
  }
}

function checkTransitions(
  { Transitions: moves = [], Expiration: expiration }: LifecycleRule,
  isStrict: boolean,
): void {
  for (const { Days: days, Date: date, StorageClass: to } of moves) {
    if ((days === undefined) === (date === undefined)) throw new S3Error('MalformedXML')
    checkClass(to, isStrict)
    checkDays(days, 0, 'Days', 'Transition')
    checkDate(date)
    if (days !== undefined && expiration?.Days !== undefined && expiration.Days <= days) {
      throw invalid(
        "'Days' in the Expiration action must be greater than 'Days' in the Transition action",
        'Days',
      )
    }
    if (date !== undefined && expiration?.Date !== undefined && expiration.Date <= date) {
      throw invalid(
        "'Date' in the Expiration action must be later than 'Date' in the Transition action",
        'Date',
      )
    }
  }
  checkClasses(moves)
}

function checkNoncurrent(rule: LifecycleRule, isStrict: boolean): void {
  const { NoncurrentVersionExpiration: expiration, NoncurrentVersionTransitions: moves = [] } = rule
  if (expiration !== undefined) {
    const { NoncurrentDays: days, NewerNoncurrentVersions: newer } = expiration
    if (days === undefined) throw new S3Error('MalformedXML')
    checkDays(days, 1, 'NoncurrentDays', 'NoncurrentVersionExpiration')
    checkNewer(newer, 'NoncurrentVersionExpiration')
  }
  for (const { NoncurrentDays: days, StorageClass: to, NewerNoncurrentVersions: newer } of moves) {
    if (days === undefined) throw new S3Error('MalformedXML')
    checkClass(to, isStrict)
    checkDays(days, 0, 'NoncurrentDays', 'NoncurrentVersionTransition')
    checkNewer(newer, 'NoncurrentVersionTransition')
    if (expiration?.NoncurrentDays !== undefined && expiration.NoncurrentDays <= days) {
      throw invalid(
        "'NoncurrentDays' in the NoncurrentVersionExpiration action must be greater than in the NoncurrentVersionTransition action",
        'NoncurrentDays',
      )
    }
  }
  checkClasses(moves)
}

function checkAbort({ AbortIncompleteMultipartUpload: abort }: LifecycleRule, named: Named): void {
  if (abort === undefined) return
  if (abort.DaysAfterInitiation === undefined) throw new S3Error('MalformedXML')
  checkDays(abort.DaysAfterInitiation, 1, 'DaysAfterInitiation', 'AbortIncompleteMultipartUpload')
  if (named.tags || named.sizes) {
    throw new S3Error('InvalidRequest', {
      message: `AbortIncompleteMultipartUpload cannot be specified with ${named.tags ? 'Tags' : 'Object Size'}.`,
    })
  }
}

function checkClass(to: StorageClass | undefined, isStrict: boolean): void {
  // Some stores move objects to the warmest class too.
  if (to === 'STANDARD' && !isStrict) return
  if (to === undefined || !COLDER.includes(to)) throw new S3Error('MalformedXML')
}

function checkClasses(
  moves: readonly { readonly StorageClass?: StorageClass | undefined }[],
): void {
  if (new Set(moves.map((move) => move.StorageClass)).size < moves.length) {
    throw new S3Error('InvalidRequest', {
      message: "'StorageClass' must be different for all transitions of a rule",
    })
  }
}

/** Days that no calendar reaches are refused too. */
const DAYS_MAX = 2 ** 31 - 1

function checkDays(days: number | undefined, least: 0 | 1, name: string, action: string): void {
  if (days === undefined || (days >= least && days <= DAYS_MAX)) return
  const kind = least === 1 ? 'positive' : 'nonnegative'
  throw invalid(`'${name}' for ${action} action must be a ${kind} integer`, name)
}

function checkNewer(newer: number | undefined, action: string): void {
  if (newer === undefined || (newer >= 1 && newer <= NEWER_MAX)) return
  throw invalid(
    `'NewerNoncurrentVersions' for ${action} action must be 1 to ${NEWER_MAX}`,
    'NewerNoncurrentVersions',
  )
}

function checkDate(date: Date | undefined): void {
  if (date === undefined || date.getTime() % DAY_MS === 0) return
  throw invalid("'Date' must be at midnight GMT", 'Date')
}

function invalid(message: string, name: string): S3Error {
  return new S3Error('InvalidArgument', { message, fields: { ArgumentName: name } })
}
