/** What a bench measures, and how it is shown. */

export interface Figures {
  readonly work: string
  /** Operations a second. */
  readonly perSecond?: number
  /** MB a second (10^6 bytes). */
  readonly megabytesPerSecond?: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  /** Server CPU, kernel time included: microseconds an operation. */
  readonly cpuUs?: number
  /** Server CPU seconds a GiB. */
  readonly cpuPerGiB?: number
  /** Most resident memory of the server so far, MB. */
  readonly peakMB?: number
  readonly note?: string
}

const COLUMNS: readonly (readonly [keyof Figures, string, number])[] = [
  ['perSecond', 'ops/s', 0],
  ['megabytesPerSecond', 'MB/s', 0],
  ['p50Ms', 'p50 ms', 2],
  ['p99Ms', 'p99 ms', 2],
  ['cpuUs', 'CPU us/op', 1],
  ['cpuPerGiB', 'CPU s/GiB', 2],
  ['peakMB', 'peak MB', 0],
]

/** A Markdown table, which reads well on a terminal too. */
export function table(title: string, rows: readonly Figures[]): string {
  const used = COLUMNS.filter(([name]) => rows.some((row) => row[name] !== undefined))
  const cells = rows.map((row) => [
    row.note ? `${row.work} (${row.note})` : row.work,
    ...used.map(([name, , digits]) => {
      const value = row[name]
      return typeof value === 'number'
        ? value.toLocaleString('en', {
            maximumFractionDigits: digits,
            minimumFractionDigits: digits,
          })
        : ''
    }),
  ])
  const head = [title, ...used.map(([, label]) => label)]
  const widths = head.map((label, i) =>
    Math.max(label.length, ...cells.map((row) => row[i]!.length)),
  )
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(head), rule, ...cells.map(line)].join('\n')
}

/** The middle one of several runs, by `cpuUs`, `cpuPerGiB` or latency. */
export function median(runs: readonly Figures[]): Figures {
  const weight = (run: Figures): number => run.cpuUs ?? run.cpuPerGiB ?? run.p99Ms ?? run.p50Ms ?? 0
  const sorted = [...runs].sort((a, b) => weight(a) - weight(b))
  return sorted[Math.floor(sorted.length / 2)]!
}
