import { expect, test } from 'vitest'
import { Metrics } from './metrics.ts'

async function linesOf(metrics: Metrics, name: string): Promise<string[]> {
  const { text } = await metrics.scrape()
  return text.split('\n').filter((line) => line.startsWith(name))
}

test('the same name and labels give the same cell, whatever the order of the labels', async () => {
  const metrics = new Metrics()
  metrics.counter('a_total', 'A.', { x: '1', y: '2' }).add()
  metrics.counter('a_total', 'A.', { y: '2', x: '1' }).add(2)
  metrics.counter('a_total', 'A.', { x: '2', y: '2' }).add(5)
  expect(await linesOf(metrics, 'a_total')).toEqual([
    'a_total{x="1",y="2"} 3',
    'a_total{x="2",y="2"} 5',
  ])
})

test('a histogram is cumulative, its bounds are inclusive, and +Inf is the count', async () => {
  const metrics = new Metrics()
  const cell = metrics.histogram('h', 'H.', { op: 'Get' }, [1, 2])
  for (const value of [0.5, 1, 1.5, 7]) cell.observe(value)
  expect(await linesOf(metrics, 'h')).toEqual([
    'h_bucket{le="1",op="Get"} 2',
    'h_bucket{le="2",op="Get"} 3',
    'h_bucket{le="+Inf",op="Get"} 4',
    'h_sum{op="Get"} 10',
    'h_count{op="Get"} 4',
  ])
})

test('a gauge is read at each scrape, and one that fails does not fail the scrape', async () => {
  const metrics = new Metrics()
  let value = 1
  metrics.gauge('g', 'G.', async () => value)
  metrics.gauge('broken', 'B.', () => Promise.reject(new Error('no')))
  expect(await linesOf(metrics, 'g ')).toEqual(['g 1'])
  value = 2
  expect(await linesOf(metrics, 'g ')).toEqual(['g 2'])
  expect(await linesOf(metrics, 'broken')).toEqual([])
})

test('label values cannot break out of their line', async () => {
  const metrics = new Metrics()
  metrics.counter('c_total', 'C.', { name: 'a"b\nc\\' }).add()
  expect(await linesOf(metrics, 'c_total')).toEqual([String.raw`c_total{name="a\"b\nc\\"} 1`])
})

test('one name cannot be two types', () => {
  const metrics = new Metrics()
  metrics.counter('t', 'T.')
  expect(() => metrics.histogram('t', 'T.')).toThrow(/counter already/)
})

test('the process is described too', async () => {
  const { text, contentType } = await new Metrics().scrape()
  expect(contentType).toContain('version=0.0.4')
  expect(text).toMatch(/^process_resident_memory_bytes \d+/m)
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m)
})
