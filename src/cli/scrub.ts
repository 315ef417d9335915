/**
 * `sluice scrub`: everything that is stored is read and compared with what the rows say of it, while
 * no gateway runs. Exit code 0: nothing is wrong; 1: problems were found, or it could not be done.
 */
import { loadConfig } from '../config.ts'
import type { Problem } from '../maintain/problem.ts'
import { problemJson, problemText } from '../maintain/problem.ts'
import { scrub as scrubStores, type ScrubOptions, type ScrubSummary } from '../maintain/scrub.ts'
import { type Flags, type Invocation, UsageError } from './commands.ts'
import { Interruption } from './interruption.ts'
import { checkStored, holdFolders, openStores } from './offline.ts'
import { bytesText, counted, countText, durationText, ProgressBar } from './progress-bar.ts'

export async function scrub({ flags, json }: Invocation): Promise<number> {
  const options = optionsOf(flags)
  const { config } = await loadConfig({ flags, env: process.env })
  checkStored(config)
  const started = performance.now()
  using _folder = holdFolders([config])
  await using stores = await openStores(config)
  using interruption = new Interruption('interrupted: not everything was looked at')
  using bar = new ProgressBar()
  const summary = await scrubStores(
    {
      metadata: stores.metadata,
      storage: stores.storage,
      clock: { now: () => Date.now() },
      signal: interruption.signal,
      progress: bar,
      report: (problem: Problem) => bar.print(json ? problemJson(problem) : problemText(problem)),
    },
    options,
  )
  const seconds = (performance.now() - started) / 1000
  bar.print(json ? JSON.stringify({ summary, seconds }) : closingLine(summary, options, seconds))
  return problemsIn(summary) === 0 ? 0 : 1
}

function optionsOf(flags: Flags): ScrubOptions {
  const { bucket } = flags
  const removes = flags['remove-orphans'] !== undefined
  const now = flags['now'] !== undefined
  if (now && !removes) throw new UsageError('--now goes with --remove-orphans')
  if (removes && bucket !== undefined)
    throw new UsageError(
      '--remove-orphans needs all buckets: which blobs nothing names, one alone cannot tell',
    )
  return {
    ...(bucket !== undefined && { bucket }),
    isQuick: flags['quick'] !== undefined,
    removes: removes ? (now ? 'all' : 'old') : 'none',
  }
}

function problemsIn({ problems }: ScrubSummary): number {
  return Object.values(problems).reduce((sum, count) => sum + count, 0)
}

/** What happened, and what to do next. */
export function closingLine(
  summary: ScrubSummary,
  { isQuick }: ScrubOptions,
  seconds: number,
): string {
  const { objects, bytes, problems, unproven, removed, removedBytes, kept } = summary
  const count = problemsIn(summary)
  const seen = `${counted(objects, 'object')} (${bytesText(bytes)}) in ${durationText(seconds)}`
  const words: string[] = []
  if (count > 0) {
    const kinds = Object.entries(problems).map(([kind, of]) => `${kind} ${countText(of)}`)
    words.push(`${counted(count, 'problem')} in ${seen}: ${kinds.join(', ')}.`)
  } else if (isQuick) words.push(`Nothing is missing: ${seen}; bytes were not hashed.`)
  else words.push(`Nothing is wrong: ${seen}, read and compared.`)
  if (unproven > 0) words.push(`Of ${countText(unproven)} no digest is known.`)
  if (removed > 0)
    words.push(`Removed: ${counted(removed, 'orphan')} (${bytesText(removedBytes)}).`)
  return [...words, ...advice(problems, kept)].join(' ')
}

function advice(problems: ScrubSummary['problems'], kept: ScrubSummary['kept']): readonly string[] {
  const {
    'orphan-blob': blobs = 0,
    'orphan-share': shares = 0,
    'orphan-page': _pages,
    ...damage
  } = problems
  const lines: string[] = []
  if (Object.keys(damage).length > 0)
    lines.push('What is damaged is named above: write it again from a copy, or delete it.')
  if (kept.becauseOfDamage > 0)
    lines.push('Orphans stay while rows are damaged, for they may be what is left of an object.')
  else if (kept.young > 0) lines.push('Orphans of the last hour stay; --now removes them too.')
  else if (blobs + shares > 0)
    lines.push(
      'Orphans only take room: the gateway removes them in time, --remove-orphans at once.',
    )
  return lines
}
