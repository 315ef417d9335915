/** Which account an Azure storage is in, by whatever names it; no SDK is loaded for it. */
export function accountOf({
  account,
  connectionString,
}: {
  readonly account?: string | undefined
  readonly connectionString?: string | undefined
}): string | undefined {
  return account ?? /(?:^|;)AccountName=([^;]*)/i.exec(connectionString ?? '')?.[1]
}
