/** The lines of a group of commits. */
import type { EncodedWrite } from './group.ts'
import type { GroupRecords } from './grouped-rows.ts'
import { sealed, writeText } from './jsonl-lines.ts'

export class JsonlRecords implements GroupRecords {
  readonly #after: number
  readonly #lines: Buffer[] = []
  /** The highest rev given so far. */
  lastRev: number

  /** `after`: bytes of the log that are durable. */
  constructor(lastRev: number, after: number) {
    this.lastRev = lastRev
    this.#after = after
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0
  }

  revOf(): number {
    return ++this.lastRev
  }

  add(partition: string, writes: readonly EncodedWrite[], revs: readonly number[]): void {
    let text = `{"partition":${JSON.stringify(partition)},"writes":[`
    for (let i = 0; i < writes.length; i++) {
      const { table, sort, json, bytes } = writes[i]!
      if (i > 0) text += ','
      text += writeText(table, sort, revs[i]!, json, bytes)
    }
    this.#lines.push(sealed(`${text}],"after":${this.#after}}`))
  }

  /** The lines of all commits that do something. */
  lines(): Uint8Array {
    return this.#lines.length === 1 ? this.#lines[0]! : Buffer.concat(this.#lines)
  }
}
