/** What a log's server promises of any bytes that come behind HELLO: see `fuzz.ts`. */
import { expect, test } from 'vitest'
import { carryOut, stateOf } from '../log/calls.ts'
import { FrameReader } from '../log/frame-reader.ts'
import { openInMemory } from '../log/memory.ts'
import { CALL, CODE, encodeError, FrameBody } from '../log/wire.ts'
import { fuzz, type Target } from './fuzz.ts'

const BYTES_MAX = 8192

/** The codes of the calls in these bytes, and how the log stands behind them. */
async function carriedOut(pieces: readonly Buffer[]): Promise<string> {
  const reader = new FrameReader(BYTES_MAX)
  const engine = openInMemory()
  const codes: number[] = []
  const isOver = (): boolean => codes.some((code) => code >= CODE.BAD_FRAME)
  for (const piece of pieces) {
    reader.push(piece)
    try {
      for (let frame = reader.next(); frame && !isOver(); frame = reader.next())
        codes.push(await codeOf(engine, frame))
    } catch (error) {
      if (!isOver()) codes.push(encodeError(error).code)
    }
    if (isOver()) break
  }
  // A mistake of a client never comes through as a fault of ours.
  if (codes.includes(CODE.FAILED)) throw new Error('a call failed as none may')
  return `${codes.join(' ')}: ${stateOf(engine.log).toString('hex')}`
}

async function codeOf(engine: ReturnType<typeof openInMemory>, frame: Buffer): Promise<number> {
  const call = frame[4]!
  // It waits for what may never come.
  if (call === CALL.WAIT_DURABLE) return CODE.DONE
  try {
    await carryOut(engine, call, new FrameBody(frame, 5))
    return CODE.DONE
  } catch (error) {
    return encodeError(error).code
  }
}

const FRAMES: Target = {
  name: 'log-frames',
  words: [
    '\0\0\0\0\0\0\0\0',
    '\x01\0\0\0\0\0\0\0',
    '\xff\xff\xff\xff\xff\xff\x1f\0',
    '\xff\xff\xff\xff\xff\xff\xff\xff',
    '\x05\0\0\0\x02\0\0\0\x05',
    '\x0d\0\0\0\x02\0\0\0\x03',
    '\x01',
    '\x03',
  ],
  async check(input, random) {
    const whole = await carriedOut([input])
    if (whole !== (await carriedOut(random.cut(input))))
      throw new Error('it depends on how the bytes come')
    return whole.slice(0, whole.indexOf(':')).split(' ').at(-1)!
  },
}

test('any bytes are calls, or refused; and it makes no difference in which pieces they come', async () => {
  const { runs, outcomes } = await fuzz(FRAMES)
  expect(runs).toBeGreaterThan(50)
  for (const code of [CODE.DONE, CODE.RANGE, CODE.LOG_GAP, CODE.BAD_FRAME, CODE.TOO_LARGE])
    expect([...outcomes.keys()]).toContain(String(code))
})
