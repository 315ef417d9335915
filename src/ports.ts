/** What a gateway has open and closes again: its ports, and all its other parts in the reverse order of their making. */
import type { Config } from './config.ts'
import { SERVER_OPTIONS } from './http/open.ts'
import { createPort, drain, type Port, reloadTls } from './listen.ts'

/** What has to be closed, the last made first. */
export class Closers {
  private readonly list: (() => unknown)[] = []
  private closed: Promise<void> | undefined

  add(closer: () => unknown): void {
    this.list.push(closer)
  }

  /** Closes everything once, whatever fails on the way; rejects with the first failure. */
  close(): Promise<void> {
    this.closed ??= this.run()
    return this.closed
  }

  private async run(): Promise<void> {
    const failures: unknown[] = []
    for (const closer of this.list.reverse()) {
      try {
        await closer()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

/** The ports of one gateway: made alike, drained at the same time. */
export class Ports {
  /** False once requests had to be cut off. */
  isWhole = true
  private readonly config: Config
  private readonly list: Port[] = []

  constructor(config: Config, closers: Closers) {
    this.config = config
    closers.add(() => this.drain())
  }

  create(): Port {
    const { limits, tls } = this.config
    const port = createPort(
      {
        ...SERVER_OPTIONS,
        maxHeaderSize: limits.maxHeaderSizeBytes,
        headersTimeout: limits.headersTimeoutMs,
        keepAliveTimeout: limits.keepAliveTimeoutMs,
      },
      tls,
    )
    port.maxConnections = limits.maxConnections
    this.list.push(port)
    return port
  }

  reloadTls(): void {
    const { tls } = this.config
    if (tls) for (const port of this.list) reloadTls(port, tls)
  }

  private async drain(): Promise<void> {
    const { shutdownTimeoutMs } = this.config
    const whole = await Promise.all(this.list.map((port) => drain(port, shutdownTimeoutMs)))
    this.isWhole = !whole.includes(false)
  }
}
