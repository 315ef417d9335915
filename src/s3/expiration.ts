/** What answers tell of the future: when the newest version of a key expires (`x-amz-expiration`), when an upload is aborted. */
import type { Context } from './context.ts'
import { readLifecycle } from './lifecycle-config.ts'
import { abortionOf, DAY_MS, expiryOf, rulesOf } from './lifecycle-rules.ts'
import type { BucketRow, VersionRow } from './rows.ts'

/** `expiry-date="...", rule-id="..."`; undefined (at once, where the bucket has no lifecycle): it does not expire. */
export function expirationOf(
  ctx: Context,
  bucket: BucketRow,
  name: string,
  key: string,
  version: VersionRow,
): Promise<string | undefined> | undefined {
  if (bucket.config?.['lifecycle'] === undefined) return undefined
  return read(ctx, name, key, version)
}

async function read(
  ctx: Context,
  name: string,
  key: string,
  version: VersionRow,
): Promise<string | undefined> {
  const expiry = await expiryIn(ctx, name, key, version)
  if (expiry === undefined) return undefined
  const date = new Date(expiry.at).toUTCString()
  return `expiry-date="${date}", rule-id="${encodeURIComponent(expiry.rule)}"`
}

/** When the newest version of a key expires, epoch ms. */
export async function expiresAt(
  ctx: Context,
  bucket: BucketRow,
  name: string,
  key: string,
  version: VersionRow,
): Promise<number | undefined> {
  if (bucket.config?.['lifecycle'] === undefined) return undefined
  return (await expiryIn(ctx, name, key, version))?.at
}

async function expiryIn(
  ctx: Context,
  name: string,
  key: string,
  version: VersionRow,
): Promise<ReturnType<typeof expiryOf>> {
  const document = await readLifecycle(ctx, name)
  return document === undefined ? undefined : expiryOf(rulesOf(document), key, version)
}

/** The members in which CreateMultipartUpload and ListParts tell when the upload will be aborted. */
export interface AbortMembers {
  AbortDate?: Date | undefined
  AbortRuleId?: string | undefined
}

/** Fills them in. */
export async function showAbortion(
  ctx: Context,
  output: AbortMembers,
  bucket: BucketRow,
  name: string,
  key: string,
  begun: number,
): Promise<void> {
  if (bucket.config?.['lifecycle'] === undefined) return
  const document = await readLifecycle(ctx, name)
  if (document === undefined) return
  const calendar = { secondsPerDay: DAY_MS / 1000 }
  const end = abortionOf(rulesOf(document), key, begun, calendar)
  if (end === undefined) return
  output.AbortDate = new Date(end.at)
  output.AbortRuleId = end.rule
}
