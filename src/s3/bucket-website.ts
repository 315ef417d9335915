/**
 * PutBucketWebsite, GetBucketWebsite, DeleteBucketWebsite, and the configuration as the gate asks for it.
 * How it is served is HTTP's business (src/http/website.ts).
 */
import type { RoutingRule, WebsiteConfiguration } from '@aws-sdk/client-s3'
import type { Json } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import type { WebsiteLookup } from '../api/website.ts'
import { readConfig, writeConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import { openBucket } from './open-bucket.ts'

const RULES_MAX = 50

export function putBucketWebsite(ctx: Context): Handler<'PutBucketWebsite'> {
  return async (input) => {
    const website = input.WebsiteConfiguration
    if (website === undefined) throw new S3Error('MalformedXML')
    checkWebsite(website)
    const document = website as unknown as Json
    await writeConfig(ctx, input.Bucket ?? '', 'website', document, (bucket) =>
      checkExpectedOwner(input.ExpectedBucketOwner, bucket),
    )
    return {}
  }
}

/** Rejects, in S3's words, what could not be served. */
function checkWebsite({
  RedirectAllRequestsTo: redirectAll,
  IndexDocument: index,
  ErrorDocument: error,
  RoutingRules: rules,
}: WebsiteConfiguration): void {
  if (redirectAll !== undefined) {
    if (index !== undefined || error !== undefined || rules !== undefined)
      throw wrong(
        'RedirectAllRequestsTo',
        'RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.',
      )
    if (!redirectAll.HostName) throw new S3Error('MalformedXML')
    checkProtocol(redirectAll.Protocol)
    return
  }
  if (index === undefined)
    throw wrong(
      'IndexDocument',
      'A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty',
    )
  if (!index.Suffix || index.Suffix.includes('/'))
    throw wrong('IndexDocument', 'The IndexDocument Suffix is not well formed')
  if (error !== undefined && !error.Key)
    throw wrong('ErrorDocument', 'The ErrorDocument Key is not well formed')
  const count = rules?.length ?? 0
  if (count > RULES_MAX)
    throw invalid(
      `${count} routing rules provided, the number of routing rules in a website configuration is limited to ${RULES_MAX}.`,
    )
  for (const rule of rules ?? []) checkRule(rule)
}

function checkRule({ Redirect: redirect, Condition: condition }: RoutingRule): void {
  if (redirect === undefined || Object.keys(redirect).length === 0)
    throw new S3Error('MalformedXML')
  checkProtocol(redirect.Protocol)
  if (redirect.ReplaceKeyPrefixWith !== undefined && redirect.ReplaceKeyWith !== undefined)
    throw invalid('You can only define ReplaceKeyPrefix or ReplaceKey but not both.')
  const redirectCode = redirect.HttpRedirectCode
  if (redirectCode !== undefined && !/^3(?!00)\d\d$/.test(redirectCode))
    throw invalid(
      `The provided HTTP redirect code (${redirectCode}) is not valid. Valid codes are 3XX except 300.`,
    )
  if (condition === undefined) return
  const { HttpErrorCodeReturnedEquals: errorCode, KeyPrefixEquals: prefix } = condition
  if (errorCode === undefined && prefix === undefined)
    throw invalid(
      "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.",
    )
  if (errorCode !== undefined && !/^[45]\d\d$/.test(errorCode))
    throw invalid(
      `The provided HTTP error code (${errorCode}) is not valid. Valid codes are 4XX or 5XX.`,
    )
}

function checkProtocol(protocol: string | undefined): void {
  if (protocol === undefined || protocol === 'http' || protocol === 'https') return
  throw invalid(
    'Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.',
  )
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidRequest', { message })
}

function wrong(name: string, message: string): S3Error {
  return new S3Error('InvalidArgument', {
    message,
    fields: { ArgumentName: name, ArgumentValue: 'null' },
  })
}

export function getBucketWebsite(ctx: Context): Handler<'GetBucketWebsite'> {
  return async (input) => {
    const bucket = input.Bucket ?? ''
    await openBucket(ctx, input)
    const website = await websiteOf(ctx)(bucket)
    if (website === undefined)
      throw new S3Error('NoSuchWebsiteConfiguration', { fields: { BucketName: bucket } })
    return website
  }
}

export function deleteBucketWebsite(ctx: Context): Handler<'DeleteBucketWebsite'> {
  return async (input) => {
    await writeConfig(ctx, input.Bucket ?? '', 'website', null, (bucket) =>
      checkExpectedOwner(input.ExpectedBucketOwner, bucket),
    )
    return {}
  }
}

/** The configuration of a bucket, for the gate. */
export function websiteOf(ctx: Context): WebsiteLookup {
  return async (bucket) => {
    const document = await readConfig(ctx, bucket, 'website')
    return document as WebsiteConfiguration | undefined
  }
}
