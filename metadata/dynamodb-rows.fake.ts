/** For tests: the items of a table, in the order of their sort keys for each partition. */
import { bytesOf, type Item } from './dynamodb-rules.fake.ts'

export class Rows {
  readonly #lists = new Map<string, { readonly s: Buffer; item: Item }[]>()

  get(key: Item): Item | undefined {
    const { list, index, isThere } = this.#find(key)
    return isThere ? list[index]!.item : undefined
  }

  set(item: Item): void {
    const { list, index, isThere } = this.#find(item)
    list.splice(index, isThere ? 1 : 0, { s: bytesOf(item['s']), item })
  }

  remove(key: Item): void {
    const { list, index, isThere } = this.#find(key)
    if (isThere) list.splice(index, 1)
  }

  between(p: string, least: Buffer, most: Buffer): Item[] {
    const list = this.#list(p)
    const found: Item[] = []
    for (let i = firstAtLeast(list, least); i < list.length; i++) {
      if (Buffer.compare(list[i]!.s, most) > 0) break
      found.push(list[i]!.item)
    }
    return found
  }

  #list(p: string): { readonly s: Buffer; item: Item }[] {
    let list = this.#lists.get(p)
    if (list === undefined) this.#lists.set(p, (list = []))
    return list
  }

  #find(key: Item) {
    const list = this.#list(key['p']!.S!)
    const s = bytesOf(key['s'])
    const index = firstAtLeast(list, s)
    return { list, index, isThere: list[index]?.s.equals(s) === true }
  }
}

function firstAtLeast(list: readonly { readonly s: Buffer }[], s: Buffer): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (Buffer.compare(list[middle]!.s, s) < 0) low = middle + 1
    else high = middle
  }
  return low
}
