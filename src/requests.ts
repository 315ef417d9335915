/** What becomes of a request once it is over: one line in the log, and the numbers of its operation. */
import type { RequestEntry } from './http/request-entry.ts'
import type { Counter, Histogram, Meter } from './lib/meter.ts'
import type { Fields, Log } from './log.ts'

/** The cells of one operation; looked up once a request. */
interface Cells {
  readonly seconds: Histogram
  readonly bytesIn: Counter
  readonly bytesOut: Counter
  readonly byStatus: Map<number, Counter>
}

/** Takes every request that is over; costs 0.1 us beside the line. */
export function createRequestRecorder(log: Log, meter: Meter): (entry: RequestEntry) => void {
  const byOperation = new Map<string, Cells>()
  const errors = new Map<string, Counter>()
  const isLogged = log.has('info')
  return (entry) => {
    const operation = entry.operation ?? 'none'
    let cells = byOperation.get(operation)
    if (cells === undefined) {
      cells = cellsOf(meter, operation)
      byOperation.set(operation, cells)
    }
    count(cells, meter, operation, entry)
    if (entry.code !== undefined) countError(errors, meter, entry.code)
    // An answer that broke off for want of bytes is as loud as a 500; for want of a store, it is a line like others.
    const isLoud = entry.status >= 500 || (isOurs(entry) && entry.code === 'InternalError')
    if (isLoud) log.error('request', fieldsOf(entry))
    else if (isLogged) log.info('request', fieldsOf(entry))
  }
}

/**
 * Whether something failed here: the answer says so, or broke off for an error that is not the client's
 * going away (which ends what is under way by an abort).
 */
function isOurs({ status, isBroken, code, error }: RequestEntry): boolean {
  if (status >= 500) return true
  const isAbort = (error as { name?: unknown } | undefined)?.name === 'AbortError'
  return isBroken && status < 400 && code !== undefined && !isAbort
}

function count(cells: Cells, meter: Meter, operation: string, entry: RequestEntry): void {
  const { status } = entry
  let counter = cells.byStatus.get(status)
  if (counter === undefined) {
    const labels = { operation, status: String(status) }
    counter = meter.counter('sluice_requests_total', 'S3 requests answered.', labels)
    cells.byStatus.set(status, counter)
  }
  counter.add()
  cells.seconds.observe(entry.durationMs / 1000)
  if (entry.bytesIn > 0) cells.bytesIn.add(entry.bytesIn)
  if (entry.bytesOut > 0) cells.bytesOut.add(entry.bytesOut)
}

function countError(errors: Map<string, Counter>, meter: Meter, code: string): void {
  let counter = errors.get(code)
  if (counter === undefined) {
    counter = meter.counter('sluice_errors_total', 'S3 requests answered with an error, by code.', {
      code,
    })
    errors.set(code, counter)
  }
  counter.add()
}

function cellsOf(meter: Meter, operation: string): Cells {
  const labels = { operation }
  return {
    seconds: meter.histogram(
      'sluice_request_seconds',
      'From the arrival of the head to the last byte of the answer.',
      labels,
    ),
    bytesIn: meter.counter(
      'sluice_request_bytes_total',
      'Bytes of request bodies, decoded.',
      labels,
    ),
    bytesOut: meter.counter('sluice_response_bytes_total', 'Bytes of response bodies.', labels),
    byStatus: new Map(),
  }
}

/** Neither query nor headers are told: signatures stand in them. What was thrown is told where it is ours. */
function fieldsOf(entry: RequestEntry): Fields {
  const fields: Record<string, unknown> = {
    requestId: entry.requestId,
    method: entry.method,
    operation: entry.operation,
    bucket: entry.bucket,
    key: entry.key,
    status: entry.status,
    code: entry.code,
    ms: Math.round(entry.durationMs * 1000) / 1000,
    bytesIn: entry.bytesIn,
    bytesOut: entry.bytesOut,
    remote: entry.remoteAddress,
    userAgent: entry.userAgent,
    requester: entry.requester,
  }
  if (entry.isBroken) fields['broken'] = true
  if (isOurs(entry)) fields['error'] = entry.error
  return fields
}
