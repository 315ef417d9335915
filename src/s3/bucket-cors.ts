/**
 * PutBucketCors, GetBucketCors, DeleteBucketCors, and the rules as the gate asks for them. What they
 * do to requests is HTTP's business (src/http/cors.ts).
 */
import type { CORSRule } from '@aws-sdk/client-s3'
import type { Json } from '../../metadata/store.ts'
import type { CorsLookup } from '../api/cors.ts'
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import { readConfig, writeConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import { openBucketNow } from './open-bucket.ts'

const RULES_MAX = 100
const ID_LENGTH_MAX = 255
const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'HEAD', 'POST', 'DELETE'])

interface CorsDocument {
  readonly CORSRules: readonly CORSRule[]
}

export function putBucketCors(ctx: Context): Handler<'PutBucketCors'> {
  return async (input) => {
    const rules = input.CORSConfiguration?.CORSRules
    if (rules === undefined || rules.length === 0) throw new S3Error('MalformedXML')
    if (rules.length > RULES_MAX)
      throw invalid('The number of CORS rules should not exceed allowed limit of 100 rules.')
    for (const rule of rules) checkRule(rule)
    const document: CorsDocument = { CORSRules: rules }
    await writeConfig(ctx, input.Bucket ?? '', 'cors', document as unknown as Json, (bucket) =>
      checkExpectedOwner(input.ExpectedBucketOwner, bucket),
    )
    return {}
  }
}

/** Rejects with MalformedXML what lacks a method or an origin, and with InvalidRequest what S3 has words for. */
function checkRule({
  ID,
  AllowedMethods,
  AllowedOrigins,
  AllowedHeaders,
  ...rule
}: CORSRule): void {
  if (!AllowedMethods?.length || !AllowedOrigins?.length) throw new S3Error('MalformedXML')
  if (ID !== undefined && ID.length > ID_LENGTH_MAX)
    throw invalid(`The ID of a CORS rule has at most ${ID_LENGTH_MAX} characters.`)
  const method = AllowedMethods.find((each) => !METHODS.has(each))
  if (method !== undefined)
    throw invalid(`Found unsupported HTTP method in CORS config. Unsupported method is ${method}`)
  checkWildcards('AllowedOrigin', AllowedOrigins)
  checkWildcards('AllowedHeader', AllowedHeaders ?? [])
  const exposed = rule.ExposeHeaders?.find((each) => each.includes('*'))
  if (exposed !== undefined)
    throw invalid(
      `ExposeHeader "${exposed}" contains wildcard. We currently do not support wildcard for ExposeHeader.`,
    )
  const seconds = rule.MaxAgeSeconds
  if (seconds !== undefined && !(Number.isInteger(seconds) && seconds >= 0))
    throw new S3Error('MalformedXML')
}

function checkWildcards(element: string, patterns: readonly string[]): void {
  const bad = patterns.find((pattern) => pattern.indexOf('*') !== pattern.lastIndexOf('*'))
  if (bad !== undefined) throw invalid(`${element} "${bad}" can not have more than one wildcard.`)
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidRequest', { message })
}

export function getBucketCors(ctx: Context): Handler<'GetBucketCors'> {
  return async (input) => {
    const bucket = input.Bucket ?? ''
    await openBucketNow(ctx, input)
    const rules = await corsRules(ctx)(bucket)
    if (rules === undefined)
      throw new S3Error('NoSuchCORSConfiguration', { fields: { BucketName: bucket } })
    return { CORSRules: [...rules] }
  }
}

export function deleteBucketCors(ctx: Context): Handler<'DeleteBucketCors'> {
  return async (input) => {
    await writeConfig(ctx, input.Bucket ?? '', 'cors', null, (bucket) =>
      checkExpectedOwner(input.ExpectedBucketOwner, bucket),
    )
    return {}
  }
}

/** The rules of a bucket, for the gate. */
export function corsRules(ctx: Context): CorsLookup {
  return async (bucket) => {
    const document = await readConfig(ctx, bucket, 'cors')
    return (document as CorsDocument | undefined)?.CORSRules
  }
}
