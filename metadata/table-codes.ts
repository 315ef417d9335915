/** Tables as engines that number them keep them on disk or in a database: a number never changes its meaning. */
import type { Table } from './store.ts'

export const CODES: Readonly<Record<Table, number>> = {
  bucket: 1,
  object: 2,
  version: 3,
  page: 4,
  upload: 5,
  part: 6,
  garbage: 7,
  share: 8,
  config: 9,
  event: 10,
}
