/**
 * A bar on standard error where that is a terminal: how far a phase is, at which rate, how long it will
 * take. Elsewhere nothing of it is written. Lines of output go through it, so that they do not mix.
 */
import type { Amount, Progress } from '../maintain/progress.ts'

const REDRAW_MS = 200
const BAR_WIDTH = 24
const CLEAR = '\r\u001b[2K'
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** Where a bar is drawn. */
export interface Screen {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export class ProgressBar implements Progress, Disposable {
  readonly #screen: Screen
  readonly #nowMs: () => number
  readonly #timer: NodeJS.Timeout | undefined
  #phase = ''
  #total: Amount = {}
  #items = 0
  #bytes = 0
  #begunMs = 0

  constructor(screen: Screen = process.stderr, nowMs: () => number = () => performance.now()) {
    this.#screen = screen
    this.#nowMs = nowMs
    if (screen.isTTY === true) this.#timer = setInterval(() => this.draw(), REDRAW_MS).unref()
  }

  begin(phase: string, total: Amount = {}): void {
    this.#phase = phase
    this.#total = total
    this.#items = 0
    this.#bytes = 0
    this.#begunMs = this.#nowMs()
    this.draw()
  }

  add(items: number, bytes: number): void {
    this.#items += items
    this.#bytes += bytes
  }

  /** A line of output. */
  print(line: string): void {
    this.#clear()
    process.stdout.write(`${line}\n`)
  }

  draw(): void {
    if (this.#screen.isTTY === true && this.#phase !== '')
      this.#screen.write(`${CLEAR}${this.#text()}`)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#clear()
    this.#phase = ''
  }

  #clear(): void {
    if (this.#screen.isTTY === true && this.#phase !== '') this.#screen.write(CLEAR)
  }

  #text(): string {
    const { items, bytes } = this.#total
    const seconds = Math.max((this.#nowMs() - this.#begunMs) / 1000, 0.001)
    const [done, all] =
      bytes === undefined || bytes === 0 ? [this.#items, items] : [this.#bytes, bytes]
    const words = [this.#phase]
    if (all !== undefined && all > 0) {
      const share = Math.min(done / all, 1)
      const filled = Math.round(share * BAR_WIDTH)
      words.push(`[${'='.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}]`)
      words.push(`${Math.floor(share * 100)}%`)
    }
    words.push(countText(this.#items))
    if (this.#bytes > 0) words.push(bytesText(this.#bytes), `${bytesText(this.#bytes / seconds)}/s`)
    else words.push(`${countText(Math.round(this.#items / seconds))}/s`)
    if (all !== undefined && done > 0 && done < all)
      words.push(`${durationText(((all - done) / done) * seconds)} left`)
    return words.join('  ')
  }
}

/** `1,234` */
export function countText(count: number): string {
  return count.toLocaleString('en-US')
}

/** `1 blob`, `1,234 blobs` */
export function counted(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `1.5 GiB` */
export function bytesText(bytes: number): string {
  let unit = 0
  let value = bytes
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

/** `1 h 2 min`, `3 min 4 s`, `5 s` */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds)
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)]
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`
}
