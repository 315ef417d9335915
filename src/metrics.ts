/**
 * Numbers for Prometheus. A cell is plain numbers, so that an observation costs nanoseconds;
 * prom-client writes them out, and adds what it knows of the process and the event loop. It is loaded at the
 * first scrape, which a gateway that nobody scrapes never pays for.
 */
import type { Registry } from 'prom-client'
import type { Counter, Histogram, Labels, Meter } from './lib/meter.ts'

/** Upper bounds in seconds: from a row read to a slow disk. */
const SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
]

type Type = 'counter' | 'gauge' | 'histogram'

/** One number of the exposition: what prom-client prints as a line. */
interface Sample {
  readonly metricName?: string
  readonly labels: Record<string, string | number>
  readonly value: number
}

interface Cell {
  readonly labels: Labels
  samples(name: string): Promise<readonly Sample[]>
}

class CounterCell implements Counter, Cell {
  readonly labels: Labels
  private value = 0

  constructor(labels: Labels) {
    this.labels = labels
  }

  add(by: number = 1): void {
    this.value += by
  }

  async samples(): Promise<Sample[]> {
    return [{ labels: this.labels, value: this.value }]
  }
}

class HistogramCell implements Histogram, Cell {
  readonly labels: Labels
  private readonly bounds: Float64Array
  /** One more than bounds: the last is for what exceeds them all. */
  private readonly counts: Float64Array
  private sum = 0

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels
    this.bounds = Float64Array.from(bounds)
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const { bounds } = this
    let index = 0
    while (index < bounds.length && value > bounds[index]!) index++
    this.counts[index]! += 1
    this.sum += value
  }

  async samples(name: string): Promise<Sample[]> {
    const samples: Sample[] = []
    let count = 0
    for (const [index, observed] of this.counts.entries()) {
      count += observed
      const le = this.bounds[index] ?? '+Inf'
      samples.push({ metricName: `${name}_bucket`, labels: { le, ...this.labels }, value: count })
    }
    samples.push({ metricName: `${name}_sum`, labels: this.labels, value: this.sum })
    samples.push({ metricName: `${name}_count`, labels: this.labels, value: count })
    return samples
  }
}

class GaugeCell implements Cell {
  readonly labels: Labels
  private readonly read: () => number | Promise<number>

  constructor(labels: Labels, read: () => number | Promise<number>) {
    this.labels = labels
    this.read = read
  }

  /** A gauge that cannot be read now is left out of the scrape rather than failing it. */
  async samples(): Promise<readonly Sample[]> {
    try {
      return [{ labels: this.labels, value: await this.read() }]
    } catch {
      return []
    }
  }
}

/** All cells of one name. */
interface Family {
  readonly name: string
  readonly help: string
  readonly type: Type
  readonly cells: Map<string, Cell>
}

export class Metrics implements Meter {
  private readonly families = new Map<string, Family>()
  private registry: Promise<Registry> | undefined

  counter(name: string, help: string, labels: Labels = {}): Counter {
    return this.cell(name, help, 'counter', labels, () => new CounterCell(labels))
  }

  histogram(
    name: string,
    help: string,
    labels: Labels = {},
    buckets: readonly number[] = SECONDS,
  ): Histogram {
    return this.cell(name, help, 'histogram', labels, () => new HistogramCell(labels, buckets))
  }

  gauge(
    name: string,
    help: string,
    read: () => number | Promise<number>,
    labels: Labels = {},
  ): void {
    this.cell(name, help, 'gauge', labels, () => new GaugeCell(labels, read))
  }

  /** Everything in Prometheus' text format 0.0.4. */
  async scrape(): Promise<{ readonly contentType: string; readonly text: string }> {
    this.registry ??= openRegistry()
    const registry = await this.registry
    for (const family of this.families.values()) {
      if (registry.getSingleMetric(family.name) === undefined) register(registry, family)
    }
    return { contentType: registry.contentType, text: await registry.metrics() }
  }

  private cell<C extends Cell>(
    name: string,
    help: string,
    type: Type,
    labels: Labels,
    make: () => C,
  ): C {
    let family = this.families.get(name)
    if (!family) {
      family = { name, help, type, cells: new Map() }
      this.families.set(name, family)
    }
    if (family.type !== type) throw new TypeError(`${name} is a ${family.type} already`)
    const key = JSON.stringify(
      Object.keys(labels)
        .toSorted()
        .map((label) => [label, labels[label]]),
    )
    let cell = family.cells.get(key)
    if (!cell) {
      cell = make()
      family.cells.set(key, cell)
    }
    // Of this family's type, and so made by the same method: a C.
    return cell as C
  }
}

async function openRegistry(): Promise<Registry> {
  const { Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}

/** Registers an object with the two members that the registry uses; prom-client's own metrics are such objects. */
function register(registry: Registry, { name, help, type, cells }: Family): void {
  const metric = {
    name,
    async get() {
      const samples = await Promise.all([...cells.values()].map((cell) => cell.samples(name)))
      return { name, help, type, values: samples.flat(), aggregator: 'sum' }
    },
  }
  registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0])
}
