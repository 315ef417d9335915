/**
 * Event streams (AWS, "Event stream encoding"; S3, "SelectObjectContent response"): each message has a
 * prelude with its lengths and their CRC, headers, a payload, and a CRC over all of it.
 */
import { crc32 } from 'node:zlib'
import type { SelectEvent } from '../api/select-event.ts'
import type { Body } from '../lib/stream.ts'

const PRELUDE_BYTES = 12
const CRC_BYTES = 4
const TYPE_STRING = 7

export const EVENT_STREAM_TYPE = 'application/vnd.amazon.eventstream'

/** The events as the bytes of a body. */
export async function* framed(events: AsyncIterable<SelectEvent>): Body {
  for await (const event of events) yield messageOf(event)
}

type Headers = readonly (readonly [name: string, value: string])[]

function messageOf(event: SelectEvent): Uint8Array {
  switch (event.kind) {
    case 'records':
      return frame(
        [...ofEvent('Records'), [':content-type', 'application/octet-stream']],
        event.payload,
      )
    case 'continuation':
      return frame(ofEvent('Cont'), NOTHING)
    case 'progress':
      return frame([...ofEvent('Progress'), XML], Buffer.from(countsXml('Progress', event)))
    case 'stats':
      return frame([...ofEvent('Stats'), XML], Buffer.from(countsXml('Stats', event)))
    case 'end':
      return frame(ofEvent('End'), NOTHING)
    default:
      return frame(
        [
          [':message-type', 'error'],
          [':error-code', event.code],
          [':error-message', event.message],
        ],
        NOTHING,
      )
  }
}

const NOTHING = new Uint8Array(0)
const XML = [':content-type', 'text/xml'] as const

function ofEvent(type: string): Headers {
  return [
    [':message-type', 'event'],
    [':event-type', type],
  ]
}

function countsXml(
  root: string,
  { scanned, processed, returned }: Extract<SelectEvent, { readonly scanned: number }>,
): string {
  return (
    `<?xml version="1.0" encoding="UTF-8"?><${root}><BytesScanned>${scanned}</BytesScanned>` +
    `<BytesProcessed>${processed}</BytesProcessed><BytesReturned>${returned}</BytesReturned></${root}>`
  )
}

/** Exported for tests. */
export function frame(headers: Headers, payload: Uint8Array): Uint8Array {
  const encoded = Buffer.concat(headers.map(headerBytes))
  const length = PRELUDE_BYTES + encoded.length + payload.length + CRC_BYTES
  const message = Buffer.allocUnsafe(length)
  message.writeUInt32BE(length, 0)
  message.writeUInt32BE(encoded.length, 4)
  message.writeUInt32BE(crc32(message.subarray(0, 8)), 8)
  message.set(encoded, PRELUDE_BYTES)
  message.set(payload, PRELUDE_BYTES + encoded.length)
  message.writeUInt32BE(crc32(message.subarray(0, length - CRC_BYTES)), length - CRC_BYTES)
  return message
}

function headerBytes([name, value]: Headers[number]): Uint8Array {
  const [key, text] = [Buffer.from(name), Buffer.from(value)]
  const bytes = Buffer.allocUnsafe(key.length + text.length + 4)
  bytes.writeUInt8(key.length, 0)
  bytes.set(key, 1)
  bytes.writeUInt8(TYPE_STRING, key.length + 1)
  bytes.writeUInt16BE(text.length, key.length + 2)
  bytes.set(text, key.length + 4)
  return bytes
}
