/** The lines of a group of commits. */
import type { EncodedWrite, Records } from './group.ts'
import { sealed, writeText } from './jsonl-lines.ts'

export class JsonlRecords implements Records {
  readonly #after: number
  readonly #lines: Buffer[] = []
  /** The highest rev given so far. */
  lastRev: number

  /** `after`: bytes of the log that are durable. */
  constructor(lastRev: number, after: number) {
    this.lastRev = lastRev
    this.#after = after
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

  /** The lines of all commits that do something; empty where none does. */
  lines(): Uint8Array {
    return this.#lines.length === 1 ? this.#lines[0]! : Buffer.concat(this.#lines)
  }
}
