/**
 * What a room may tell the outside in numbers; given to it, so that no room imports a metrics
 * library. Labels are bound when the cell is made: an observation is then an addition (nanoseconds).
 * Make cells once and keep them; the same name and labels give the same cell.
 */
export type Labels = Readonly<Record<string, string>>

export interface Counter {
  add(by?: number): void
}

export interface Histogram {
  /** One observation; seconds for durations, bytes for sizes. */
  observe(value: number): void
}

export interface Meter {
  /** A sum that only grows. Names follow Prometheus: `sluice_commits_total`. */
  counter(name: string, help: string, labels?: Labels): Counter
  /** Buckets for seconds unless others are given (upper bounds, ascending). */
  histogram(name: string, help: string, labels?: Labels, buckets?: readonly number[]): Histogram
  /** A value asked for at each scrape. */
  gauge(name: string, help: string, read: () => number | Promise<number>, labels?: Labels): void
}

const NOTHING: Counter & Histogram = { add() {}, observe() {} }

/** Measures nothing: for tests, and where nobody listens. */
export const SILENT: Meter = { counter: () => NOTHING, histogram: () => NOTHING, gauge() {} }
