/**
 * The log: one line an event, JSON for machines or text for a terminal. Lines are made here and
 * written by `log-writer.ts` off the loop: a request's line costs 1.6 us of CPU (a general
 * logging library took 4.4 us, an eighth of a small GET).
 */
import { openLineWriter, type LineWriter } from './log-writer.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** JSON values, and errors (told with message, stack and cause); undefined members are left out. */
export type Fields = Readonly<Record<string, unknown>>

export interface Log {
  /** False: lines of this level go nowhere, and need not be made. */
  has(level: Exclude<LogLevel, 'silent'>): boolean
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
  /** Resolves once everything is written. */
  drain(): Promise<void>
  /** Writes everything at once, for a process that is about to crash. */
  flush(): void
}

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'text' | 'json'
}

const RANKS: Readonly<Record<LogLevel, number>> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
  silent: 4,
}

/** A log to `fd` (1: standard output); time comes from the system's clock, as log lines are of this machine. */
export function openLog({ level, format }: LogOptions, fd: number = 1): Log {
  return level === 'silent' ? SILENT_LOG : new LineLog(RANKS[level], format, openLineWriter(fd))
}

const NOTHING = (): void => {}

export const SILENT_LOG: Log = {
  has: () => false,
  debug: NOTHING,
  info: NOTHING,
  warn: NOTHING,
  error: NOTHING,
  drain: () => Promise.resolve(),
  flush: NOTHING,
}

class LineLog implements Log {
  private readonly rank: number
  private readonly spell: (level: LogLevel, message: string, fields: Fields) => string
  private readonly writer: LineWriter
  private dropped = 0

  constructor(rank: number, format: 'text' | 'json', writer: LineWriter) {
    this.rank = rank
    this.spell = format === 'json' ? jsonLine : textLine
    this.writer = writer
  }

  has(level: Exclude<LogLevel, 'silent'>): boolean {
    return RANKS[level] >= this.rank
  }

  debug(message: string, fields: Fields = NONE): void {
    if (this.rank <= 0) this.write('debug', message, fields)
  }

  info(message: string, fields: Fields = NONE): void {
    if (this.rank <= 1) this.write('info', message, fields)
  }

  warn(message: string, fields: Fields = NONE): void {
    if (this.rank <= 2) this.write('warn', message, fields)
  }

  error(message: string, fields: Fields = NONE): void {
    this.write('error', message, fields)
  }

  drain(): Promise<void> {
    return this.writer.drain()
  }

  flush(): void {
    this.writer.flush()
  }

  private write(level: LogLevel, message: string, fields: Fields): void {
    const { dropped } = this.writer
    if (dropped > this.dropped && !this.writer.isFull) {
      this.writer.line(this.spell('warn', 'log lines were lost', { lines: dropped - this.dropped }))
      this.dropped = dropped
    }
    this.writer.line(this.spell(level, message, fields))
  }
}

const NONE: Fields = {}

function jsonLine(level: LogLevel, message: string, fields: Fields): string {
  const begin = `{"time":${Date.now()},"level":"${level}","message":${JSON.stringify(message)}`
  // Flat and without a replacer this is V8's fast path; errors, which are rare, take the other.
  const rest = 'error' in fields ? JSON.stringify(fields, replaceError) : JSON.stringify(fields)
  return rest.length > 2 ? `${begin},${rest.slice(1)}` : `${begin}}`
}

function replaceError(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value
  const { name, message, stack, cause } = value
  return { name, message, stack, cause, code: (value as NodeJS.ErrnoException).code }
}

const COLOURS: Readonly<Record<string, string>> = { warn: '\u001b[33m', error: '\u001b[31m' }
const DIM = '\u001b[2m'
const PLAIN = '\u001b[0m'

/** `14:09:31.123 request status=200 operation=GetObject`, for people at a terminal. */
function textLine(level: LogLevel, message: string, fields: Fields): string {
  const time = new Date().toISOString().slice(11, 23)
  const colour = COLOURS[level]
  const words = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : `${DIM}${name}=${PLAIN}${word(value)}`,
  )
  const head = colour ? `${colour}${level}: ${visible(message)}${PLAIN}` : visible(message)
  return `${DIM}${time}${PLAIN} ${head}${words.length > 0 ? ` ${words.join(' ')}` : ''}`
}

function word(value: unknown): string {
  if (value instanceof Error) return visible(value.stack ?? value.message, '\n')
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return typeof value === 'string' && /[\s"=]/.test(text) ? JSON.stringify(text) : visible(text)
}

/** Without control characters: a key in a request must not be able to command the terminal. */
function visible(text: string, kept: string = ''): string {
  return text.replaceAll(CONTROL, (character) =>
    character === kept ? character : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g
