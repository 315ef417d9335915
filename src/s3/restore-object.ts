/**
 * RestoreObject, and what an archived object is here: bytes of all storage classes are kept alike, so a
 * restore is done at once, and lasts as long as was asked for.
 *
 * By `compat: aws-2026` an archived object is not read before it is restored, as on AWS; by `legacy` it is,
 * since old clients name a class without meaning an archive.
 */
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import { changeVersion } from './change-version.ts'
import type { Context } from './context.ts'
import type { VersionRow } from './rows.ts'

const DAY_MS = 86_400_000
const ARCHIVES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE'])
const DAYS_MAX = 2 ** 31 - 1

function isArchived({ sc }: VersionRow): boolean {
  return sc !== undefined && ARCHIVES.has(sc)
}

/** Throws InvalidObjectState where the bytes of a version may not be read now. */
export function checkReadable({ options, clock }: Context, version: VersionRow): void {
  if (version.sc === undefined || options.compat === 'legacy' || !isArchived(version)) return
  if (version.rs !== undefined && version.rs > clock.now()) return
  throw new S3Error('InvalidObjectState', { fields: { StorageClass: version.sc } })
}

/** `x-amz-restore`; undefined where nothing was restored, or it is over. */
export function restoreOf({ clock }: Context, { rs }: VersionRow): string | undefined {
  if (rs === undefined || rs <= clock.now()) return undefined
  return `ongoing-request="false", expiry-date="${new Date(rs).toUTCString()}"`
}

/** What listings say of an archived version, where they are asked to; of others undefined. */
export function restoreStatusOf(
  { clock }: Context,
  version: VersionRow,
): { IsRestoreInProgress: false; RestoreExpiryDate?: Date } | undefined {
  if (!isArchived(version)) return undefined
  const { rs } = version
  if (rs === undefined || rs <= clock.now()) return { IsRestoreInProgress: false }
  return { IsRestoreInProgress: false, RestoreExpiryDate: new Date(rs) }
}

export function restoreObject(ctx: Context): Handler<'RestoreObject'> {
  return async (input, call) => {
    const { Days: days, Type: type, SelectParameters: select } = input.RestoreRequest ?? {}
    if (type === 'SELECT' || select !== undefined) {
      throw new S3Error('NotImplemented', { message: 'Restores that select are not implemented.' })
    }
    if (days === undefined || days < 1 || days > DAYS_MAX) throw new S3Error('MalformedXML')
    await changeVersion(
      ctx,
      input,
      (version) => {
        if (!isArchived(version)) {
          throw new S3Error('InvalidObjectState', {
            message: "Restore is not allowed for the object's current storage class",
            fields: { StorageClass: version.sc ?? 'STANDARD' },
          })
        }
        const until = Math.ceil((ctx.clock.now() + days * DAY_MS) / DAY_MS) * DAY_MS
        return { ...version, rs: until }
      },
      { event: 's3:ObjectRestore:Completed', call },
    )
    return {}
  }
}
