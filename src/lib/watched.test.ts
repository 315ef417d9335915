import { expect, test } from 'vitest'
import { watched } from './watched.ts'

async function* counted(seen: { returned: number }): AsyncGenerator<Uint8Array> {
  try {
    for (let chunk = 1; chunk <= 3; chunk += 1) yield Uint8Array.of(chunk)
  } finally {
    seen.returned += 1
  }
}

async function read(body: AsyncIterable<Uint8Array>): Promise<number[]> {
  const bytes: number[] = []
  for await (const chunk of body) bytes.push(...chunk)
  return bytes
}

test('every chunk is seen before the reader has it, and the end once', async () => {
  const events: string[] = []
  const body = watched(
    counted({ returned: 0 }),
    (chunk) => events.push(`seen ${chunk[0]}`),
    () => events.push('end'),
  )
  for await (const chunk of body) events.push(`read ${chunk[0]}`)
  await body[Symbol.asyncIterator]().next()
  expect(events).toEqual(['seen 1', 'read 1', 'seen 2', 'read 2', 'seen 3', 'read 3', 'end'])
})

test('what a watcher throws is the error of the body, and the source is released', async () => {
  const source = { returned: 0 }
  const body = watched(counted(source), (chunk) => {
    if (chunk[0] === 2) throw new Error('bad chunk')
  })
  await expect(read(body)).rejects.toThrow('bad chunk')
  expect(source.returned).toBe(1)
  const atEnd = watched(
    counted(source),
    () => {},
    () => {
      throw new Error('bad end')
    },
  )
  await expect(read(atEnd)).rejects.toThrow('bad end')
})

test('a reader that stops early releases the source, and the end is not announced', async () => {
  const source = { returned: 0 }
  let ends = 0
  const body = watched(
    counted(source),
    () => {},
    () => {
      ends += 1
    },
  )
  for await (const chunk of body) if (chunk[0] === 1) break
  expect(source.returned).toBe(1)
  expect(ends).toBe(0)
})
