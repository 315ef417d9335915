/** What the SQLite engine counts for whoever watches it. */
import type { Counter, Meter } from '../src/lib/meter.ts'

export type Counted = Readonly<
  Record<'commits' | 'groups' | 'syncs' | 'checkpoints' | 'reclaimed', Counter>
>

export function countersOf(meter: Meter): Counted {
  return {
    commits: meter.counter('sluice_metadata_commits_total', 'Commits answered, refused ones too'),
    groups: meter.counter('sluice_metadata_groups_total', 'Writes to the log that commits shared'),
    syncs: meter.counter('sluice_fsyncs_total', 'Syncs of files', { store: 'metadata' }),
    checkpoints: meter.counter(
      'sluice_metadata_checkpoints_total',
      "Times that SQLite's own log was moved into the database",
    ),
    reclaimed: meter.counter(
      'sluice_metadata_reclaimed_bytes_total',
      'Bytes of rows that were moved to the end of the log, so that a file of it can go',
    ),
  }
}
