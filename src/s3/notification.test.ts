import type { NotificationConfiguration } from '@aws-sdk/client-s3'
import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { SILENT } from '../lib/meter.ts'
import { deleteBucket } from './delete-bucket.ts'
import { lifecycleConfig } from './lifecycle-config.ts'
import { Lifecycle, LIFECYCLE_DEFAULTS } from './lifecycle.ts'
import { notificationConfig } from './notification-config.ts'
import { deleteObjectTagging, putObjectTagging } from './object-tagging.ts'
import { Outbox, OUTBOX_DEFAULTS, type OutboxOptions, type Webhooks } from './outbox.ts'
import { renameObject } from './rename-object.ts'
import { scanRows } from './rows.ts'
import { CALL } from './s3.fixture.ts'
import { CrashingStore } from './troubled-store.fixture.ts'
import { Uploads } from './uploads.fixture.ts'

const URL = 'https://listener.example/hook'

class Listener implements Webhooks {
  readonly told: { url: string; event: string; key: string; record: Record<string, never> }[] = []
  fails = 0

  refusal(url: string): string | undefined {
    return url.startsWith('https://') ? undefined : 'no webhook'
  }

  async post(url: string, body: string): Promise<void> {
    if (this.fails-- > 0) throw new Error('the listener is away')
    const { Records } = JSON.parse(body)
    const [record] = Records
    this.told.push({ url, event: record.eventName, key: record.s3.object.key, record })
  }

  get events(): string[] {
    return this.told.map(({ event, key }) => `${event} ${key}`)
  }
}

let f: Uploads
let listener: Listener
beforeEach(async () => {
  f = new Uploads(new MemoryStore(), new MemoryStorage())
  listener = new Listener()
  Object.assign(f.ctx, { webhooks: listener })
  await f.bucket()
})

function configure(configuration: NotificationConfiguration, Bucket = 'b'): Promise<unknown> {
  const input = { Bucket, NotificationConfiguration: configuration }
  return notificationConfig(f.ctx).PutBucketNotificationConfiguration!(input, CALL)
}

function tell(events: readonly string[], rules: Record<string, string> = {}): Promise<unknown> {
  const FilterRules = Object.entries(rules).map(([Name, Value]) => ({ Name, Value }))
  const queue = { QueueArn: URL, Events: [...events] as never[], Filter: { Key: { FilterRules } } }
  return configure({ QueueConfigurations: [queue as never] })
}

function outbox(options: Partial<OutboxOptions> = {}): Outbox {
  return new Outbox(f.ctx, { ...OUTBOX_DEFAULTS, onError: () => {}, ...options }, SILENT)
}

const waiting = async (): Promise<number> =>
  (await scanRows(f.ctx.metadata, 'b', 'event', { from: '', limit: 100 })).length

test('each kind of write is told by its name', async () => {
  await tell(['s3:ObjectCreated:*', 's3:ObjectRemoved:*', 's3:ObjectTagging:*'])
  await f.put('a b', 'x')
  await f.copy('b/a%20b', 'copy')
  const id = await f.begin()
  await f.complete(id, await f.parts(id, 'x'))
  await putObjectTagging(f.ctx)({ Bucket: 'b', Key: 'copy', Tagging: { TagSet: [] } }, CALL)
  await deleteObjectTagging(f.ctx)({ Bucket: 'b', Key: 'copy' }, CALL)
  await renameObject(f.ctx)({ Bucket: 'b', Key: 'new', RenameSource: 'copy' }, CALL)
  await f.delete('new')
  await f.delete('not there')
  await f.bucket('b', 'Enabled')
  await tell(['s3:ObjectRemoved:*'])
  const marker = await f.delete('big')
  await f.delete('big', { VersionId: marker.VersionId })
  await outbox().deliver('b')
  expect(listener.events.toSorted()).toEqual(
    [
      'ObjectCreated:Put a+b',
      'ObjectCreated:Copy copy',
      'ObjectCreated:CompleteMultipartUpload big',
      'ObjectTagging:Put copy',
      'ObjectTagging:Delete copy',
      'ObjectRemoved:Delete copy',
      'ObjectCreated:Copy new',
      'ObjectRemoved:Delete new',
      'ObjectRemoved:DeleteMarkerCreated big',
      'ObjectRemoved:Delete big',
    ].toSorted(),
  )
  expect(await waiting()).toBe(0)
})

test('the message says what S3’s says', async () => {
  await tell(['s3:ObjectCreated:Put'])
  const { ETag } = await f.put('k', 'hello')
  await outbox().deliver('b')
  expect(listener.told[0]?.record).toMatchObject({
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: 'us-east-1',
    eventTime: '2026-01-01T00:00:00.000Z',
    eventName: 'ObjectCreated:Put',
    userIdentity: { principalId: 'owner-id' },
    s3: {
      s3SchemaVersion: '1.0',
      bucket: { name: 'b', arn: 'arn:aws:s3:::b', ownerIdentity: { principalId: 'owner-id' } },
      object: { key: 'k', size: 5, eTag: ETag!.slice(1, -1) },
    },
  })
})

test('only what the filter and the names choose is told', async () => {
  await tell(['s3:ObjectCreated:Copy'], { Prefix: 'p/', suffix: '.jpg' })
  await f.put('p/a.jpg', 'x')
  await f.copy('b/p/a.jpg', 'p/b.jpg')
  await f.copy('b/p/a.jpg', 'q/b.jpg')
  await f.copy('b/p/a.jpg', 'p/b.png')
  await outbox().deliver('b')
  expect(listener.events).toEqual(['ObjectCreated:Copy p/b.jpg'])
})

test('what rules of the lifecycle do is told too', async () => {
  await tell(['s3:LifecycleExpiration:*', 's3:LifecycleTransition'])
  await f.put('goes', 'x')
  await f.put('moves', 'x')
  const rule = { Status: 'Enabled' as const }
  const Rules = [
    { ...rule, Prefix: 'goes', Expiration: { Days: 1 } },
    { ...rule, Prefix: 'moves', Transitions: [{ Days: 0, StorageClass: 'GLACIER' as const }] },
  ]
  await lifecycleConfig(f.ctx).PutBucketLifecycleConfiguration!(
    { Bucket: 'b', LifecycleConfiguration: { Rules } },
    CALL,
  )
  f.clock.time += 3 * 86_400_000
  await new Lifecycle(f.ctx, { ...LIFECYCLE_DEFAULTS, onError: () => {} }, SILENT).run()
  await outbox().deliver('b')
  expect(listener.events).toEqual(['LifecycleExpiration:Delete goes', 'LifecycleTransition moves'])
})

test('a listener that is away is told later, each time twice as late, until the message is given up', async () => {
  await tell(['s3:ObjectCreated:*'])
  await f.put('k', 'x')
  listener.fails = 3
  const box = outbox()
  for (const ms of [0, 1000, 2000]) {
    f.clock.time += ms
    await box.deliver('b')
    expect(listener.told).toEqual([])
  }
  f.clock.time += 3999
  await box.deliver('b')
  expect(listener.told).toEqual([])
  f.clock.time += 1
  await box.deliver('b')
  expect(listener.events).toEqual(['ObjectCreated:Put k'])
  await f.put('lost', 'x')
  listener.fails = Infinity
  f.clock.time += OUTBOX_DEFAULTS.giveUpMs
  await box.deliver('b')
  expect(await waiting()).toBe(0)
})

test('two gateways deliver a message once; where one dies over it, the other delivers it later', async () => {
  await tell(['s3:ObjectCreated:*'])
  for (let n = 0; n < 100; n++) await f.put(`k${n}`, 'x')
  await Promise.all([outbox().deliver('b'), outbox().deliver('b'), outbox().deliver('b')])
  await outbox().deliver('b')
  expect(new Set(listener.events).size).toBe(100)
  expect(listener.told).toHaveLength(100)
  await f.put('late', 'x')
  const dying = outbox()
  const post = listener.post.bind(listener)
  // It never hears of the outcome.
  listener.post = () => new Promise(() => {})
  void dying.deliver('b')
  await new Promise((resolve) => setImmediate(resolve))
  listener.post = post
  await outbox().deliver('b')
  expect(listener.told).toHaveLength(100)
  f.clock.time += OUTBOX_DEFAULTS.claimMs
  await outbox().deliver('b')
  expect(listener.events.at(-1)).toBe('ObjectCreated:Put late')
})

test('a write and its message are one commit: wherever a crash comes, there are both or neither', async () => {
  for (let n = 1; n <= 4; n++) {
    for (const loses of [true, false]) {
      const store = new CrashingStore()
      f = new Uploads(store, new MemoryStorage())
      Object.assign(f.ctx, { webhooks: listener })
      await f.bucket()
      await tell(['s3:ObjectCreated:*'])
      store.crashAt(n, loses)
      await f.put('k', 'x').catch(() => undefined)
      store.revive()
      const isThere = await f.head('k').then(
        () => 1,
        () => 0,
      )
      expect(await waiting()).toBe(isThere)
    }
  }
})

test('what was not told yet outlives the configuration, and the bucket', async () => {
  await tell(['s3:ObjectRemoved:*'])
  await f.put('k', 'x')
  await f.delete('k')
  await configure({})
  await deleteBucket(f.ctx)({ Bucket: 'b' }, CALL)
  await outbox().deliver('b')
  expect(listener.events).toEqual(['ObjectRemoved:Delete k'])
})

test('the worker tells by itself, soon after the write', async () => {
  await tell(['s3:ObjectCreated:*'])
  const box = outbox({ pollMs: 60_000 })
  box.start()
  await new Promise((resolve) => setTimeout(resolve, 30))
  await f.put('k', 'x')
  for (let n = 0; n < 100 && listener.told.length === 0; n++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await box.stop()
  expect(listener.events).toEqual(['ObjectCreated:Put k'])
})

test('a configuration comes back as it was put, with ids; what cannot be told is refused', async () => {
  const of = { Bucket: 'b' }
  const get = notificationConfig(f.ctx).GetBucketNotificationConfiguration!
  expect(await get(of, CALL)).toEqual({})
  const topic = { Id: 'x', TopicArn: URL, Events: ['s3:ObjectCreated:*' as const] }
  await configure({ TopicConfigurations: [topic] })
  expect(await get(of, CALL)).toEqual({ TopicConfigurations: [topic] })
  const refused: [string, NotificationConfiguration][] = [
    ['InvalidArgument', { TopicConfigurations: [{ ...topic, TopicArn: 'arn:aws:sns:::t' }] }],
    ['InvalidArgument', { TopicConfigurations: [{ ...topic, Events: ['s3:Nothing' as never] }] }],
    ['InvalidArgument', { TopicConfigurations: [topic, topic] }],
    ['MalformedXML', { TopicConfigurations: [{ ...topic, Events: [] }] }],
    ['NotImplemented', { EventBridgeConfiguration: {} }],
    [
      'InvalidArgument',
      {
        TopicConfigurations: [
          { ...topic, Filter: { Key: { FilterRules: [{ Name: 'infix' as never, Value: 'x' }] } } },
        ],
      },
    ],
  ]
  for (const [code, configuration] of refused) {
    await expect(configure(configuration)).rejects.toMatchObject({ code })
  }
  expect(await get(of, CALL)).toEqual({ TopicConfigurations: [topic] })
})

test('listeners that are away do not hold up those of other buckets', async () => {
  await f.bucket('other')
  await tell(['s3:ObjectCreated:*'])
  await configure(
    {
      QueueConfigurations: [{ QueueArn: 'https://other.example/', Events: ['s3:ObjectCreated:*'] }],
    },
    'other',
  )
  for (let n = 0; n < 200; n++) await f.put(`k${n}`, 'x')
  await f.put('k', 'x', {}, 'other')
  const post = listener.post.bind(listener)
  let hanging = 0
  listener.post = async (url, body) => {
    if (url !== URL) return post(url, body)
    hanging++
    await new Promise((resolve) => setTimeout(resolve, 50))
    throw new Error('away')
  }
  const box = outbox({ pollMs: 60_000, retryMs: 20 })
  box.start()
  for (let n = 0; n < 100 && listener.told.length === 0; n++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(hanging).toBeLessThanOrEqual(40)
  await box.stop()
  expect(listener.events).toEqual(['ObjectCreated:Put k'])
})

test('of a bucket whose listeners are away so many messages wait, and no more: the oldest go', async () => {
  await tell(['s3:ObjectCreated:*'])
  listener.fails = Infinity
  for (let n = 0; n < 90; n++) await f.put(`k${String(n).padStart(2, '0')}`, 'x')
  const worker = outbox({ waitingMax: 20, giveUpMs: Infinity })
  await worker.deliver('b')
  expect(await waiting()).toBe(20)
  listener.fails = 0
  f.clock.time += 3_600_000
  await worker.deliver('b')
  await worker.deliver('b')
  expect(listener.told.map(({ key }) => key)).toContain('k89')
  expect(listener.told.map(({ key }) => key)).not.toContain('k00')
  expect(await waiting()).toBe(0)
})
