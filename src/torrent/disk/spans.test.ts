import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Spans } from './spans.ts'

const range = fc
  .tuple(fc.nat(60), fc.nat(20))
  .map(([start, length]): readonly [number, number] => [start, start + length])

test('spans are the set of their bytes', () => {
  fc.assert(
    fc.property(fc.array(range), range, (added, [start, end]) => {
      const spans = new Spans()
      const bytes = new Set<number>()
      const all = (from: number, to: number): number[] =>
        Array.from({ length: to - from }, (_, i) => from + i)
      for (const [from, to] of added) {
        const isNew = all(from, to).every((byte) => !bytes.has(byte))
        for (const byte of all(from, to)) bytes.add(byte)
        expect(spans.add(from, to)).toBe(isNew)
      }
      expect(spans.bytes).toBe(bytes.size)
      const flat = (ranges: Iterable<readonly [number, number]>): number[] =>
        [...ranges].flatMap(([from, to]) => all(from, to))
      const asked = all(start, end)
      expect(flat(spans)).toEqual([...bytes].sort((a, b) => a - b))
      expect(flat(spans.within(start, end))).toEqual(asked.filter((byte) => bytes.has(byte)))
      expect(flat(spans.missing(start, end))).toEqual(asked.filter((byte) => !bytes.has(byte)))
      expect(spans.covers(start, end)).toBe(asked.every((byte) => bytes.has(byte)))
      let reach = start
      while (bytes.has(reach)) reach++
      expect(spans.reach(start)).toBe(reach)
      const { edges } = spans
      for (let i = 1; i < edges.length; i++) expect(edges[i]).toBeGreaterThan(edges[i - 1]!)
      expect(flat(new Spans(edges))).toEqual(flat(spans))
    }),
  )
})
