/** Reads what botocore sent for what it was asked (`botocore.fixture.py`): a second opinion for tests. */
import { readFileSync } from 'node:fs'

export interface OracleRequest {
  readonly operation: string
  readonly style: 'path' | 'virtual'
  /** All members were given, not the required ones alone. */
  readonly every: boolean
  readonly method: string
  readonly host: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** What botocore was asked for; dates as `Date`, bytes as `Uint8Array`. */
  readonly params: Readonly<Record<string, unknown>>
}

export function readOracle(): readonly OracleRequest[] {
  const text = readFileSync(new URL('./botocore.fixture.json', import.meta.url), 'utf8')
  return JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value
    if ('date' in value && typeof value.date === 'string') return new Date(value.date)
    if ('bytes' in value && typeof value.bytes === 'string') return Buffer.from(value.bytes)
    return value
  }) as OracleRequest[]
}
