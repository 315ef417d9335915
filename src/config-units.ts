/** Sizes and durations as people write them: `5GiB`, `64KB`, `30s`, `7d`. Pure; errors say what would be right. */

const SIZES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

const DURATIONS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

export class UnitError extends Error {
  override readonly name: string = 'UnitError'
}

/** Bytes of `5GiB`, `10MB`, `4096` (a plain number is bytes); whole and not negative. */
export function parseSize(text: string | number): number {
  const bytes = measure(text, SIZES, 'b')
  if (bytes === undefined)
    throw new UnitError(`"${text}" is not a size: write a number and a unit, such as 64KiB or 5GiB`)
  return bytes
}

/** Milliseconds of `30s`, `7d`, `0`; a number other than 0 needs its unit, so that nobody has to guess it. */
export function parseDuration(text: string | number): number {
  const ms = Number(text) === 0 && String(text).trim() !== '' ? 0 : measure(text, DURATIONS, '')
  if (ms === undefined)
    throw new UnitError(`"${text}" is not a duration: write a number and a unit, such as 30s or 7d`)
  return ms
}

function measure(
  text: string | number,
  units: Readonly<Record<string, number>>,
  bare: string,
): number | undefined {
  const parts = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(text))
  const factor = units[(parts?.[2] || bare).toLowerCase()]
  const value = Math.round(Number(parts?.[1]) * (factor ?? Number.NaN))
  return Number.isSafeInteger(value) ? value : undefined
}

/** The shortest exact spelling: `5GiB`, `1500` (bytes). */
export function formatSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const factor = SIZES[unit.toLowerCase()]!
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`
  }
  return String(bytes)
}

/** The shortest exact spelling: `7d`, `90s`; `0` stays `0`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0'
  for (const unit of ['d', 'h', 'm', 's']) {
    const factor = DURATIONS[unit]!
    if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`
  }
  return `${ms}ms`
}
