/**
 * PutBucketNotificationConfiguration and its kin: who is told of what.
 *
 * Where S3 has an ARN of a queue, topic or function, ours has the URL of a webhook; there is nobody else
 * here to be told. Names of events are S3's (User Guide, "Event notification types and destinations").
 */
import type { NotificationConfiguration, NotificationConfigurationFilter } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { Context } from './context.ts'
import { getDocument, putDocument } from './stored-config.ts'

const LISTENERS_MAX = 100
const ID_MAX = 255

/** What happens here, and can be told. */
const EVENTS: readonly string[] = [
  's3:ObjectCreated:Put',
  's3:ObjectCreated:Post',
  's3:ObjectCreated:Copy',
  's3:ObjectCreated:CompleteMultipartUpload',
  's3:ObjectRemoved:Delete',
  's3:ObjectRemoved:DeleteMarkerCreated',
  's3:ObjectRestore:Post',
  's3:ObjectRestore:Completed',
  's3:ObjectTagging:Put',
  's3:ObjectTagging:Delete',
  's3:ObjectAcl:Put',
  's3:ObjectAnnotation:Put',
  's3:ObjectAnnotation:Delete',
  's3:LifecycleExpiration:Delete',
  's3:LifecycleExpiration:DeleteMarkerCreated',
  's3:LifecycleTransition',
]
/** Named by S3, and never happening here. */
const NEVER: readonly string[] = [
  's3:ObjectRestore:Delete',
  's3:ReducedRedundancyLostObject',
  's3:Replication:OperationFailedReplication',
  's3:Replication:OperationMissedThreshold',
  's3:Replication:OperationNotTracked',
  's3:Replication:OperationReplicatedAfterThreshold',
  's3:IntelligentTiering',
]
const GROUPS: ReadonlySet<string> = new Set(
  [...EVENTS, ...NEVER]
    .filter((name) => name.split(':').length === 3)
    .map((name) => `${name.slice(0, name.lastIndexOf(':'))}:*`),
)
const KNOWN: ReadonlySet<string> = new Set([...EVENTS, ...NEVER, ...GROUPS])

/** One who is told. */
export interface Listener {
  readonly id: string
  readonly url: string
  /** Names, or names with `*` for the last part. */
  readonly events: readonly string[]
  readonly prefix: string
  readonly suffix: string
}

const made = new WeakMap<NotificationConfiguration, readonly Listener[]>()

/** The listeners of a document; made once for each. */
export function listenersOf(document: NotificationConfiguration): readonly Listener[] {
  let listeners = made.get(document)
  if (listeners === undefined) {
    listeners = targetsOf(document).map(({ url, Id, Events, Filter }) => ({
      id: Id ?? '',
      url,
      events: Events ?? [],
      prefix: filterValue(Filter, 'prefix'),
      suffix: filterValue(Filter, 'suffix'),
    }))
    made.set(document, listeners)
  }
  return listeners
}

/** Whether a listener is to be told of an event (with its `s3:`) of a key. */
export function isTold({ events, prefix, suffix }: Listener, event: string, key: string): boolean {
  if (!key.startsWith(prefix) || !key.endsWith(suffix)) return false
  return events.some((name) =>
    name.endsWith('*') ? event.startsWith(name.slice(0, -1)) : event === name,
  )
}

export function notificationConfig(ctx: Context): S3Api {
  return {
    GetBucketNotificationConfiguration: async (input) =>
      (await getDocument<NotificationConfiguration>(ctx, input, 'notification')) ?? {},
    PutBucketNotificationConfiguration: async (input) => {
      const asked = input.NotificationConfiguration ?? {}
      if (asked.EventBridgeConfiguration !== undefined) {
        throw new S3Error('NotImplemented', { message: 'There is no EventBridge here.' })
      }
      const document = withIds(ctx, asked)
      const targets = targetsOf(document)
      if (targets.length > LISTENERS_MAX) {
        throw invalid(`At most ${LISTENERS_MAX} destinations can be told`, 'Id', '')
      }
      if (new Set(targets.map((target) => target.Id)).size < targets.length) {
        throw invalid('Same ID used for multiple configurations. IDs must be unique', 'Id', '')
      }
      for (const target of targets) checkTarget(ctx, target)
      await putDocument(ctx, input, 'notification', targets.length === 0 ? null : document)
      return {}
    },
  }
}

interface Target {
  readonly url: string
  readonly Id?: string | undefined
  readonly Events?: readonly string[] | undefined
  readonly Filter?: NotificationConfigurationFilter | undefined
}

/** The three kinds of destinations, alike. */
function targetsOf(document: NotificationConfiguration): readonly Target[] {
  return [
    ...(document.QueueConfigurations ?? []).map((each) => ({ ...each, url: each.QueueArn ?? '' })),
    ...(document.TopicConfigurations ?? []).map((each) => ({ ...each, url: each.TopicArn ?? '' })),
    ...(document.LambdaFunctionConfigurations ?? []).map((each) => ({
      ...each,
      url: each.LambdaFunctionArn ?? '',
    })),
  ]
}

function withIds(ctx: Context, asked: NotificationConfiguration): NotificationConfiguration {
  const named = <T extends { Id?: string | undefined }>(list: readonly T[]): T[] =>
    list.map((each) => ({ ...each, Id: each.Id || ctx.ids.next() }))
  const { QueueConfigurations, TopicConfigurations, LambdaFunctionConfigurations } = asked
  return {
    ...(QueueConfigurations && { QueueConfigurations: named(QueueConfigurations) }),
    ...(TopicConfigurations && { TopicConfigurations: named(TopicConfigurations) }),
    ...(LambdaFunctionConfigurations && {
      LambdaFunctionConfigurations: named(LambdaFunctionConfigurations),
    }),
  }
}

function checkTarget(
  ctx: Context,
  { url, Id: id = '', Events: events = [], Filter }: Target,
): void {
  if (id.length > ID_MAX) throw invalid('The Id is too long', 'Id', id)
  if (events.length === 0) throw new S3Error('MalformedXML')
  for (const event of events) {
    if (KNOWN.has(event)) continue
    throw invalid('The event is not supported for notifications', 'Event', event)
  }
  checkFilter(Filter)
  const refusal = ctx.webhooks.refusal(url)
  if (refusal === undefined) return
  throw invalid(
    `Unable to validate the following destination configurations: ${refusal}`,
    'Destination',
    url,
  )
}

function checkFilter(filter: NotificationConfigurationFilter | undefined): void {
  const seen = new Set<string>()
  for (const { Name: name = '', Value: value } of filter?.Key?.FilterRules ?? []) {
    const lower = name.toLowerCase()
    if (lower !== 'prefix' && lower !== 'suffix') {
      throw invalid('filter rule name must be either prefix or suffix', 'FilterRule.Name', name)
    }
    if (seen.has(lower)) {
      throw invalid(
        `Cannot specify more than one ${lower} rule in a filter.`,
        'FilterRule.Name',
        name,
      )
    }
    if (value === undefined) throw new S3Error('MalformedXML')
    seen.add(lower)
  }
}

function filterValue(
  filter: NotificationConfigurationFilter | undefined,
  wanted: 'prefix' | 'suffix',
): string {
  const rules = filter?.Key?.FilterRules ?? []
  return rules.find((rule) => rule.Name?.toLowerCase() === wanted)?.Value ?? ''
}

function invalid(message: string, name: string, value: string): S3Error {
  return new S3Error('InvalidArgument', {
    message,
    fields: { ArgumentName: name, ArgumentValue: value },
  })
}
