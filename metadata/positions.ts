/** Something for each of some positions, in memory. Keys are looked up as they come: no text is made for it. */
export class Positions<V> {
  readonly #partitions = new Map<string, (Map<string, V> | undefined)[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(partition: string, table: number, sort: string): V | undefined {
    return this.#size === 0 ? undefined : this.#partitions.get(partition)?.[table]?.get(sort)
  }

  set(partition: string, table: number, sort: string, value: V): void {
    let tables = this.#partitions.get(partition)
    if (tables === undefined) this.#partitions.set(partition, (tables = []))
    const rows = (tables[table] ??= new Map<string, V>())
    const before = rows.size
    rows.set(sort, value)
    this.#size += rows.size - before
  }

  clear(): void {
    if (this.#size === 0) return
    this.#partitions.clear()
    this.#size = 0
  }

  of(partition: string, table: number): ReadonlyMap<string, V> | undefined {
    return this.#partitions.get(partition)?.[table]
  }

  /** All of them; neighbours in a table come one after another. */
  *inOrder(): Generator<readonly [partition: string, table: number, sort: string, value: V]> {
    for (const [partition, tables] of this.#partitions)
      for (const [table, rows] of tables.entries()) {
        if (rows === undefined) continue
        for (const sort of Array.from(rows.keys()).toSorted())
          yield [partition, table, sort, rows.get(sort)!]
      }
  }
}
